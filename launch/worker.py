"""One web process of several, on the socket and with the metrics directory it is handed."""

import socket
import sys
from pathlib import Path

from core.settings import load_settings
from launch.parts import serve_web

if __name__ == "__main__":
    serve_web(load_settings(), socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))

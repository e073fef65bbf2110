"""Run the notebook of the documentation and keep what it prints and draws in it.

    python scripts/run_notebook.py [docs/first_scene.ipynb]

Of an output only text and pictures are kept, without the times of the run, so that the file changes where results do.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

_KEPT = ("image/png", "text/plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", type=Path, nargs="?", default=Path("docs/first_scene.ipynb"))
    args = parser.parse_args()
    # One that another program set would draw nothing.
    os.environ.pop("MPLBACKEND", None)
    notebook = nbformat.read(args.notebook, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "data" in output:
                kind = next(kind for kind in _KEPT if kind in output.data)
                output.data = {kind: output.data[kind]}
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    nbformat.write(notebook, args.notebook)


if __name__ == "__main__":
    main()

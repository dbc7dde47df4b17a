"""Start a function as Lambda does: a fresh interpreter, its package, the layer, Python itself.

Run as a program: `python -I -S lambda_start.py <package> <layers> <runtime libraries> <handler>`,
layers joined by colons, the shared one first.
Prints one JSON object: what was compiled, which modules were loaded, from where.
"""

import importlib
import sys
from importlib.machinery import SourceFileLoader
from typing import Any


def main() -> None:
    """Import the handler and every module of the shared code, and say what that did."""
    package, layers, runtime, handler = sys.argv[1:5]
    layer, *others = layers.split(":")
    sys.dont_write_bytecode = True
    sys.path[:0] = [package, layer, *others]
    sys.path.append(runtime)
    compiled: list[str] = []
    usual = SourceFileLoader.source_to_code

    def counted(self: Any, data: Any, path: Any, **options: Any) -> Any:
        compiled.append(str(path))
        return usual(self, data, path, **options)

    SourceFileLoader.source_to_code = counted  # type: ignore[method-assign]
    importlib.import_module(handler)
    loaded = sorted(sys.modules)
    import json
    from pathlib import Path

    for base, folder in ((Path(package), "functions"), (Path(layer), "payvand")):
        for file in sorted((base / folder).rglob("*.py")):
            parts = file.relative_to(base).with_suffix("").parts
            if parts[:2] == ("payvand", "papers") and not others:
                continue  # only who carries their layer makes papers
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    ours = [path for path in compiled if not path.startswith(runtime)]
    later = sorted(set(sys.modules) - set(loaded))
    print(json.dumps({"compiled": ours, "loaded": loaded, "later": later}))  # noqa: T201 - its one answer


if __name__ == "__main__":
    main()

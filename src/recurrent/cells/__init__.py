"""The cells, one file each: a file that is put here is imported, and its cell can be asked for by its kind."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

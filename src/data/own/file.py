"""Any file of the user's own with rows or arrays, recognised by its content."""

from __future__ import annotations

from pathlib import Path

from src.config.errors import UserError
from src.data.describe import Description
from src.data.module import NewData
from src.data.own.csv import CSV
from src.data.own.forms import SEQUENCES, form_of
from src.data.own.npz import NPZ
from src.data.own.roles import Roles


class File(CSV, NPZ):
    """A table (:class:`CSV`) or arrays (:class:`NPZ`), depending on the file; has the options of both."""

    form, tasks = "file", NPZ.tasks
    roles: Roles | None = None  # type: ignore[assignment]  # of a table
    kind: str | None = None  # type: ignore[assignment]  # of arrays
    scaling = None
    fitted = (*CSV.fitted, *(name for name in NPZ.fitted if name not in CSV.fitted))

    def read(self) -> Description:
        """Read the file according to its content."""
        reader = self._reader(self.path)
        if reader is NPZ and (columns := self.given.known + self.given.static):
            raise UserError(f"{self.path} has arrays, but {columns[0]} (data.known, data.static) needs a table.")
        return reader.read(self)

    def new_data(self, path: str) -> NewData:
        """Read a new file of the same kind."""
        return self._reader(path).new_data(self, path)

    @staticmethod
    def _reader(path: str) -> type[CSV | NPZ]:
        return NPZ if form_of(Path(path).expanduser()) in SEQUENCES else CSV

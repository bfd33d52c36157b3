"""The user's own files: ``file`` (rows or arrays) as ``csv`` (tables) or ``npz``; ``text``; ``wav_folder``.

A format is a :class:`~src.data.module.SequenceData` with

- ``__init__(*, path, ..., **keywords)``: the options of the format; keywords are passed on to ``SequenceData``.
  Whatever can be rejected without reading the file is rejected here.
- ``read()``: reads the file, fills ``splits``, ``items``, both baselines and ``notes``, sets ``checksum`` and returns
  the description. Invalid data raise one ``UserError`` that names file and place; inferences go to ``notes``.
- ``fitted`` and ``new_data(path)``: what was fitted on the training file, and reading a new file with it.

It also needs a line in ``src/data/__init__.py``, a ``conf/data/NAME.yaml`` with ``path: ???``, and its options in
docs/file_formats.md. ``python -m src.prepare`` then lists it.

Other formats of rows or sequences need none of that: ``forms`` recognises them by content, and a function in
``tables`` converts them to a :class:`~src.data.own.cells.Table` (numbers, text, and hints about columns). ``roles``,
``times``, ``notation`` and ``cell_sequences`` interpret its columns and rows, and ``row_splits`` and ``splits`` assign
rows or files to splits. ``labelled.OwnData`` then builds sequences with targets, ``series`` forecasts, ``text``
documents, ``waveform`` recordings.
"""

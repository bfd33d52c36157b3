"""The user's own files: ``file`` (any with rows or arrays) of ``csv`` (tables) and ``npz``; ``text``, ``wav_folder``.

A form is a :class:`~src.data.module.SequenceData` with

- ``__init__(*, path, ..., **keywords)``: the form's options; keywords go on to ``SequenceData``. What can be refused
  without reading is refused here.
- ``read()``: reads the file, fills ``splits``, ``items``, both baselines and ``notes``, sets ``checksum``, returns the
  description. What is broken raises one ``UserError`` that names file and place; what was inferred goes to ``notes``.
- ``fitted`` and ``new_data(path)``: what was fitted on the training file, and a new file read with that.

and has a line in ``src/data/__init__.py``, a ``conf/data/NAME.yaml`` with ``path: ???`` and its options in
docs/file_formats.md. It is found by ``python -m src.prepare`` from there.

What holds rows or sequences in another form needs none of that: ``forms`` tells it by its content, and a function in
``tables`` makes a :class:`~src.data.own.cells.Table` of it (numbers, text, and hints of which column is what), whose
columns and rows ``roles``, ``times``, ``notation`` and ``cell_sequences`` sort out; ``row_splits`` and ``splits`` say
which rows or files are for what; ``labelled.OwnData`` fills in sequences with targets, ``series`` forecasts, ``text``
documents, ``waveform`` recordings.
"""

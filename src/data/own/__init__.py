"""The user's own files, one file of this folder for each form: ``csv``, ``npz``, ``text``, ``wav_folder``.

A form is a :class:`~src.data.module.SequenceData` with

- ``__init__(*, path, ..., **keywords)``: the form's options; keywords go on to ``SequenceData``. What can be refused
  without reading is refused here.
- ``read()``: reads the file, fills ``splits``, ``items``, both baselines and ``notes``, sets ``checksum``, returns the
  description. What is broken raises one ``UserError`` that names file and place; what was inferred goes to ``notes``.
- ``fitted`` and ``new_data(path)``: what was fitted on the training file, and a new file read with that.

and has a line in ``src/data/__init__.py``, a ``conf/data/NAME.yaml`` with ``path: ???`` and its options in
docs/own_data.md. It is found by ``python -m src.prepare`` from there.

What a form need not write again: a table becomes a :class:`~src.data.own.cells.Table`, whose columns
and rows ``roles`` and ``times`` sort out; ``row_splits`` and ``splits`` say which rows or files are for what;
``labelled.OwnData`` fills in sequences with targets, ``series`` forecasts, ``text`` documents, ``waveform`` recordings.
"""

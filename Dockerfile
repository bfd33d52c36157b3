# docker build -t gatebench .                             for the CPU; with CUDA: --build-arg TORCH=cuda
# docker run -v "$PWD/runs:/gatebench/runs" gatebench train model=lstm              with CUDA: --gpus all, trainer=gpu
FROM python:3.11-slim
ARG TORCH=cpu
RUN apt-get update && apt-get install --yes --no-install-recommends make g++ git && rm -rf /var/lib/apt/lists/*
WORKDIR /gatebench
COPY Makefile pyproject.toml setup.py gatebench.py README.md LICENSE ./
COPY locks locks
COPY conf conf
COPY experiments experiments
COPY hydra_plugins hydra_plugins
COPY benchmarks benchmarks
COPY src src
# The lock's torch for the CPU comes from PyTorch's own index; without it torch brings the libraries of CUDA.
RUN if [ "$TORCH" = cpu ]; then export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu; fi && make setup
ENV PATH=/gatebench/.venv/bin:$PATH
ENTRYPOINT ["gatebench"]
CMD ["--help"]

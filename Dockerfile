# For CPUs, with TensorFlow: docker build --tag segmentation .
# docs/containers.md says how it is used; Dockerfile.gpu is the same for NVIDIA GPUs, with JAX.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /build
RUN python -m venv /opt/segmentation
ENV PATH=/opt/segmentation/bin:$PATH
COPY requirements/cpu.txt .
RUN pip install --no-cache-dir --require-hashes --requirement cpu.txt
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip install --no-cache-dir --no-deps dist/*.whl \
    && pip uninstall --yes pip

FROM ${BASE}
RUN useradd --uid 1000 --create-home user && install --directory --owner user --group user /work
COPY --from=build /opt/segmentation /opt/segmentation
COPY --chmod=755 deploy/aws-batch/with_s3.py /opt/segmentation/bin/with-s3
ENV PATH=/opt/segmentation/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 1000
WORKDIR /work
CMD ["nuclei", "--help"]

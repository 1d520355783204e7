# omlx in a container: the daemon in the foreground. docs/docker.md tells how to run it.
#
#   docker build --tag omlx .
#   docker build --tag omlx:cuda --build-arg VARIANT=cuda .

ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
ARG VARIANT=cpu
WORKDIR /src
COPY requirements.lock requirements-cuda.lock ./
RUN python -m venv /opt/omlx \
 && /opt/omlx/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
# Both of MLX's back ends bring the same library, so that one of them has to go.
RUN if [ "$VARIANT" = cuda ]; then \
      /opt/omlx/bin/pip uninstall --yes mlx-cpu \
      && /opt/omlx/bin/pip install --no-cache-dir --require-hashes --requirement requirements-cuda.lock; \
    fi
COPY . .
RUN /opt/omlx/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation .

FROM python:${PYTHON}-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libopenblas0-pthread \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 1000 omlx \
 && useradd --uid 1000 --gid omlx --create-home omlx \
 && install --directory --mode 0700 --owner omlx --group omlx /var/lib/omlx
COPY --from=build /opt/omlx /opt/omlx
ENV PATH=/opt/omlx/bin:$PATH \
    OMLX_HOME=/var/lib/omlx \
    HF_HOME=/var/lib/omlx/huggingface \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
VOLUME /var/lib/omlx
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["omlx", "status", "--quiet"]
ENTRYPOINT ["omlx"]
CMD ["serve", "--host", "0.0.0.0"]

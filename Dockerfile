# The lab in a container. It answers other machines, so it asks for a password:
#   docker build -t memfactory .
#   docker run --rm -p 8501:8501 -v runs:/lab/runs -e MEMFACTORY_PASSWORD=... memfactory
# It answers to localhost and to plain addresses; MEMFACTORY_HOSTS adds names (docs/security.md).
FROM python:3.11-slim
# The CPU build is enough for the tiny policy; a GPU image sets TORCH to the build of its driver.
ARG TORCH=torch==2.13.0
WORKDIR /source
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt ${TORCH}
COPY pyproject.toml setup.py README.md LICENSE ./
COPY memfactory_core memfactory_core
COPY app app
COPY pages pages
RUN pip install --no-cache-dir --constraint constraints.txt .
WORKDIR /lab
RUN useradd --create-home lab && mkdir -p runs && chown lab runs
USER lab
ENV MEMFACTORY_RUNS=/lab/runs
EXPOSE 8501
CMD ["memfactory", "lab", "--host", "0.0.0.0"]

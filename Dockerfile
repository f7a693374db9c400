# The lab in a container: docker build -t memfactory . && docker run --rm -p 127.0.0.1:8501:8501 -v runs:/lab/runs memfactory
FROM python:3.11-slim
# The CPU build is enough for the tiny policy; a GPU image sets TORCH to the build of its driver.
ARG TORCH=torch==2.13.0
WORKDIR /lab
COPY pyproject.toml constraints.txt README.md ./
RUN pip install --no-cache-dir --constraint constraints.txt ${TORCH}
COPY memfactory_core memfactory_core
COPY app app
COPY pages pages
COPY .streamlit .streamlit
RUN pip install --no-cache-dir --constraint constraints.txt --editable . \
    && useradd --create-home lab && mkdir -p runs && chown lab runs
USER lab
ENV MEMFACTORY_RUNS=/lab/runs
EXPOSE 8501
CMD ["memfactory", "lab", "--host", "0.0.0.0"]

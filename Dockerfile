# One image for every role: `credit-desk server`, `worker`, `api`, `deploy`.
FROM python:3.13-slim

RUN useradd --create-home desk && install --directory --owner desk /desk
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY pyproject.toml prefect.yaml README.md LICENSE ./
COPY data data
COPY tools tools
COPY agents agents
COPY flows flows
COPY api api
RUN pip install --no-cache-dir --no-deps --editable .

USER desk
ENV CREDIT_DESK_HOME=/desk
ENTRYPOINT ["credit-desk"]

# One image for every role: `credit-desk server`, `worker`, `api`, `deploy`.
# The first stage checks every package against requirements.lock; the second has no tool of it.
FROM python:3.13.14-slim AS build

WORKDIR /app
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --require-hashes --requirement requirements.lock --wheel-dir /wheels
COPY pyproject.toml prefect.yaml README.md LICENSE ./
COPY data data
COPY tools tools
COPY agents agents
COPY flows flows
COPY api api
# Only what the desk needs of these wheels: the lock also has the tools of development.
RUN python -m venv /venv \
 && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /venv/bin/pip install --no-index --find-links /wheels 'credit-desk-lite[postgres,redis,s3]' \
 && /venv/bin/pip install --no-cache-dir --no-deps --editable .

FROM python:3.13.14-slim

RUN useradd --create-home desk \
 && install --directory --owner desk /desk /desk/uploads /desk/inbox /desk/watchlists /desk/parties
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER desk
ENV CREDIT_DESK_HOME=/desk PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["credit-desk"]

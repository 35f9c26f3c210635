# One image for worker, daemon and starter. docker-compose.yml says what each is started with.

# npm packages of coding agents, such as "@anthropic-ai/claude-code @openai/codex"; empty: none. Their versions, and every
# file that they need by its hash, are those of the lock.
FROM node:24-bookworm-slim AS agents
ARG AGENTS=""
WORKDIR /opt/agents
COPY tests/agents/package.json tests/agents/package-lock.json docker/agents.js ./
# Node comes along only where there is something to run. AGENTS is a list: it is split at its spaces.
RUN mkdir bin && \
    if [ -n "$AGENTS" ]; then \
        node agents.js $AGENTS && \
        npm install --package-lock-only --no-audit --no-fund && \
        npm ci --no-audit --no-fund && \
        ln -s ../node_modules/.bin/* bin/ && \
        cp /usr/local/bin/node bin/; \
    fi

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /src
# The dependencies by themselves: a changed line of code doesn't install them again. They are those of `make install`,
# to the byte: what an index gives instead has another hash, and ends the build.
COPY locks/base.txt locks/notices.txt locks/
RUN /opt/venv/bin/pip install --require-hashes -r locks/base.txt -r locks/notices.txt
COPY pyproject.toml README.md LICENSE worker.py starter.py ./
COPY activities activities
COPY cli cli
COPY daemon daemon
COPY demo demo
COPY domain domain
COPY fakes fakes
COPY ledger ledger
COPY runtime runtime
COPY stack stack
COPY steering steering
COPY workflows workflows
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN apt-get update && \
    apt-get install --yes --no-install-recommends bubblewrap ca-certificates git git-lfs openssh-client && \
    rm -rf /var/lib/apt/lists/*
ARG USER_ID=1000
# A new volume takes over owner and mode of the folder that it is mounted on.
RUN useradd --uid "$USER_ID" --create-home makima && \
    install --directory --owner=makima --group=makima --mode=0700 /var/lib/makima
COPY --from=agents /opt/agents /opt/agents
COPY --from=build /opt/venv /opt/venv
COPY docker/worker_polls.py /opt/makima/
# Safe path: `-m daemon` must not find a folder of that name where it is started.
ENV PATH=/opt/venv/bin:/opt/agents/bin:$PATH PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1
USER makima
WORKDIR /home/makima
CMD ["python", "-m", "worker"]

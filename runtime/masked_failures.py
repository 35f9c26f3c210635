"""Errors as Temporal is told them, without secrets: git, forges and setup commands may print some (rule 6.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.converter import DefaultFailureConverter, PayloadConverter


def with_masked_failures(client: Client, mask: Callable[[str], str]) -> Client:
    """The same client; what fails in its workers' activities is masked, with all causes."""

    class MaskedFailures(DefaultFailureConverter):
        def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
            super().to_failure(exception, payload_converter, failure)  # comes back here for each cause
            failure.message = mask(failure.message)
            failure.stack_trace = mask(failure.stack_trace)

    config = client.config()
    config["data_converter"] = replace(client.data_converter, failure_converter_class=MaskedFailures)
    return Client(**config)

"""The worker's health check in the image: ends with 0 when a worker asked for directives in the last 90 seconds."""

from __future__ import annotations

import sys
import time

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from domain import names
from runtime.connection import connect_temporal
from runtime.exit import FAILED, leave, run
from runtime.shared_settings import load_settings

RECENTLY = 90.0  # seconds: a poll waits for 60 before it is made anew


async def main() -> int:
    client = await connect_temporal(load_settings(), identity="worker-health")
    queue = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=names.DIRECTIVES_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    if any(time.time() - poller.last_access_time.seconds < RECENTLY for poller in queue.pollers):
        return 0
    sys.stderr.write(f"no worker polls the queue {names.DIRECTIVES_QUEUE!r}\n")
    return FAILED


if __name__ == "__main__":
    leave(run(main))

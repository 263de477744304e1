"""Ending the processes of a deployment in order, within a bounded time."""

import asyncio
import time

from plumbline_local.supervise import (
    INFRASTRUCTURE,
    INFRASTRUCTURE_STOP_SECONDS,
    SERVICE_STOP_SECONDS,
    SERVICES,
    Manager,
    ManagerError,
)

POLL_SECONDS = 0.1
MANAGER_STOP_SECONDS = 3.0


async def end_processes(manager: Manager, groups: set[str], hurry: asyncio.Event) -> None:
    """Services first, all at once; then the servers under them; then the manager.

    A group that is not gone in its time is killed, when `hurry` is set at once. At most 30 s in
    all. A manager that does not answer is killed; its children are then the leftovers' business.
    """
    try:
        if SERVICES in groups:
            await _end_group(manager, SERVICES, SERVICE_STOP_SECONDS, hurry)
        if INFRASTRUCTURE in groups:
            await _end_group(manager, INFRASTRUCTURE, INFRASTRUCTURE_STOP_SECONDS, hurry)
        await asyncio.to_thread(manager.shutdown)
    except ManagerError:
        await asyncio.to_thread(manager.end, 0.0)
    await asyncio.to_thread(manager.end, MANAGER_STOP_SECONDS)


async def _end_group(manager: Manager, group: str, seconds: float, hurry: asyncio.Event) -> None:
    await asyncio.to_thread(manager.stop_group, group)
    deadline = time.monotonic() + seconds
    killed = False
    while await _is_running(manager, group):
        late = time.monotonic() > deadline
        if (late or hurry.is_set()) and not killed:
            await asyncio.to_thread(manager.kill_group, group)
            killed = True
        if time.monotonic() > deadline + MANAGER_STOP_SECONDS:
            raise ManagerError(f"the processes of {group} do not end")
        await asyncio.sleep(POLL_SECONDS)


async def _is_running(manager: Manager, group: str) -> bool:
    infos = await asyncio.to_thread(manager.processes)
    return any(info.pid for info in infos.values() if manager.group_of(info.name) == group)

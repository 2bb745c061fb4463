"""The nemesis: does the faults of a schedule, and undoes each after its time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from chaos.burst import burst
from chaos.cluster import Stage
from chaos.processes import Process, Say
from chaos.proxy import HOST, Link
from chaos.schedule import TABLES, Fault, Kind

WAIT_SECONDS = 60
TICK_SECONDS = 0.05


class Nemesis:
    """The nemesis: injects the faults of the schedule.

    A victim has one fault at a time: the nemesis waits for its recovery. A victim that does not recover is
    reported to `blame`.
    """

    def __init__(self, stage: Stage, say: Say, blame: Say) -> None:
        self.done: Counter[Kind] = Counter()
        self._stage = stage
        self._say = say
        self._blame = blame
        names = [*stage.processes, *stage.links, *TABLES, "postgres"]
        self._locks = {name: asyncio.Lock() for name in sorted(names)}

    async def run(self, faults: Sequence[Fault]) -> None:
        """Inject all faults, and return when all are undone."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._at(began + fault.at, fault))

    async def _at(self, when: float, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(when - loop.time())
        async with AsyncExitStack() as held:
            for name in self._victims(fault):
                await held.enter_async_context(self._locks[name])
            late = loop.time() - when
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._whole(fault)
            except TimeoutError:
                self._blame(f"{fault.victim} was not back after {WAIT_SECONDS} s, to {fault}")
                return
            self._say(f"{fault}" + (f", {late:.0f} s late" if late >= 1 else ""))
            await self._do(fault)
            self.done[fault.kind] += 1

    def _victims(self, fault: Fault) -> list[str]:
        """Lock in the order of their names, which prevents a deadlock."""
        if fault.victim.startswith("*."):
            return [name for name in self._locks if name.endswith(fault.victim[1:])]
        return [fault.victim]

    async def _whole(self, fault: Fault) -> None:
        """Wait for a victim: a process that is up, or a link in use."""
        if process := self._stage.processes.get(fault.victim):
            await process.ready.wait()
        links = [self._stage.links[name] for name in self._victims(fault) if name in self._stage.links]
        while links and not any(link.used for link in links):
            await asyncio.sleep(TICK_SECONDS)

    async def _do(self, fault: Fault) -> None:
        if fault.kind.act == "lock":
            # A restart of PostgreSQL meanwhile ends the lock.
            async with self._stage.postgres.locked(fault.victim):
                await asyncio.sleep(fault.seconds)
        elif fault.kind.act == "read-only":
            await self._stage.postgres.set_read_only(True)
            await asyncio.sleep(fault.seconds)
            await self._stage.postgres.set_read_only(False)
        elif fault.kind.act == "fill":
            await self._fill_disk(fault)
        elif fault.kind.act == "burst":
            await self._burst(fault)
        elif fault.victim == "postgres":
            self._stage.postgres.end(fault.way)
            await asyncio.sleep(fault.seconds)
            await self._stage.postgres.restart_if_dead()
        elif process := self._stage.processes.get(fault.victim):
            await self._break_process(process, fault)
        else:
            await self._break_links([self._stage.links[name] for name in self._victims(fault)], fault)

    async def _break_process(self, process: Process, fault: Fault) -> None:
        if fault.kind.act == "block":
            process.block_log()
            await asyncio.sleep(fault.seconds)
            process.read_log()
            return
        if fault.kind.act == "stop":
            process.stop()
            await asyncio.sleep(fault.seconds)
            process.go_on()
            return
        if fault.kind.act == "end":
            await process.end()
        else:
            process.kill()
        await asyncio.sleep(fault.seconds)
        process.want()

    async def _fill_disk(self, fault: Fault) -> None:
        disk = self._stage.disk
        assert disk is not None
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(fault.seconds)
        disk.empty()
        # PostgreSQL refuses statements on a full disk, or ends if it can write no log of its own.
        await self._stage.postgres.recover()

    async def _burst(self, fault: Fault) -> None:
        tenant = self._stage.tenant
        assert tenant is not None
        url = f"http://{HOST}:{self._stage.links[fault.victim].port}"
        try:
            answered = await burst(url, tenant.api_key, fault.seconds)
        except TimeoutError:
            self._blame(f"{fault.victim} left calls of a burst without an answer")
            return
        self._say(f"  the burst was answered by {dict(answered)}")

    async def _break_links(self, links: Sequence[Link], fault: Fault) -> None:
        for link in links:
            match fault.kind.act:
                case "black-hole":
                    link.black_hole()
                case "slow":
                    link.slow(int(fault.way.split()[0]))
                case "cut":
                    link.cut()
        await asyncio.sleep(fault.seconds)
        for link in links:
            if fault.way == "then reset":
                link.reset()
            if fault.way == "then silent for ever":
                link.silence()
            link.heal()

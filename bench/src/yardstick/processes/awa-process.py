"""A process of its own: Awa (PyPI `awa-pg`), either what puts its jobs or what does them.

It reads questions from its input, a line of JSON each, and answers on its output, as the other programs of
this folder do.
"""

import asyncio
import json
import math
import resource
import sys
import time
from dataclasses import dataclass

import awa

QUEUE = "yard"
BATCH = 1000
WIDTH = math.log(1.02)

setup = json.loads(sys.argv[1])


@dataclass
class YardJob:
    at: float
    text: str


class State:
    done = 0
    put = 0
    depth = 0
    known_done = 0
    ended = False
    counts: dict = {}


def now_ms():
    return time.time() * 1000


def note(at):
    State.done += 1
    bucket = int(math.log(max(0.0, now_ms() - at) + 1) / WIDTH)
    State.counts[bucket] = State.counts.get(bucket, 0) + 1


def reading():
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return {
        "done": State.done,
        "put": State.put,
        "latencies": State.counts,
        "cpuUs": (used.ru_utime + used.ru_stime) * 1e6,
        "rssBytes": pages * resource.getpagesize(),
    }


async def feed(client):
    text = "x" * 280
    while not State.ended:
        left = State.put - State.known_done
        if left >= State.depth:
            await asyncio.sleep(0.005)
            continue
        count = min(BATCH, State.depth - left)
        jobs = [YardJob(at=now_ms(), text=text) for _ in range(count)]
        await client.enqueue_many_copy(jobs, queue=QUEUE)
        State.put += count


async def work(client):
    @client.task(YardJob, queue=QUEUE)
    async def handle(job):
        await asyncio.sleep(setup["jobMs"] / 1000)
        note(job.args.at)

    await client.start(
        [{"name": QUEUE, "max_workers": setup["cap"], "claimers": 2}], poll_interval_ms=50
    )


async def main():
    client = awa.AsyncClient(setup["url"], 16)
    await client.migrate()
    feeding = None
    if setup["role"] == "feeder":
        feeding = asyncio.create_task(feed(client))
    else:
        await work(client)
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        question = json.loads(line)
        value = None
        if question["call"] == "read":
            value = reading()
        elif question["call"] == "done" and feeding is None:
            value = State.done
        elif question["call"] == "done":
            State.known_done = question["value"]
        elif question["call"] == "feed":
            State.depth = question["value"].get("items", 0)
        elif question["call"] == "end":
            State.ended = True
            if feeding is not None:
                await feeding
            else:
                await client.shutdown()
        print(json.dumps({"number": question["number"], "value": value}), flush=True)


asyncio.run(main())

"""`POST /predict` in front of Triton's own HTTP endpoint: the contract, translated both ways.

As little as can be: an ASGI app under uvloop and httptools, connections to Triton that are kept
open, and nothing read of its answers but the length and the JSON.
"""

import asyncio
import json
from typing import Any

import uvicorn

from loadtests.peers._model import spare_gc
from loadtests.peers._settings import sources

MODEL = "classifier"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Front:
    """The ASGI application."""

    def __init__(self, host: str, triton_port: int, most: int) -> None:
        self.host, self.port, self.most = host, triton_port, most
        facts = json.loads((sources() / "variant.json").read_text(encoding="utf-8"))["model"]
        self.labels: list[str] = facts["labels"]
        self.idle: list[Connection] = []
        self.head = (
            f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: {host}:{triton_port}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer `/predict`."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        texts = json.loads(body)["texts"]
        # Triton refuses a request that is larger than its largest batch.
        parts = [texts[at : at + self.most] for at in range(0, len(texts), self.most)]
        if len(parts) == 1:
            answer = await self.infer(texts)
        else:
            answers = await asyncio.gather(*map(self.infer, parts))
            answer = [item for part in answers for item in part]
        content = json.dumps(answer).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def infer(self, texts: list[str]) -> list[dict[str, Any]]:
        """What Triton says of up to `most` texts."""
        body = json.dumps(
            {
                "inputs": [
                    {"name": "texts", "shape": [len(texts), 1], "datatype": "BYTES", "data": texts}
                ]
            }
        ).encode()
        reader, writer = self.idle.pop() if self.idle else await self.connect()
        writer.write(f"{self.head}{len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        content = json.loads(await reader.readexactly(length))
        self.idle.append((reader, writer))
        outputs = {output["name"]: output["data"] for output in content["outputs"]}
        return [
            {"label": self.labels[index], "score": score}
            for index, score in zip(outputs["index"], outputs["score"], strict=True)
        ]

    async def connect(self) -> Connection:
        """A new connection to Triton."""
        return await asyncio.open_connection(self.host, self.port)


def serve(host: str, port: int, triton_port: int, most: int) -> None:
    """Serve until told to stop."""
    front = Front(host, triton_port, most)
    spare_gc()
    uvicorn.run(
        front,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )

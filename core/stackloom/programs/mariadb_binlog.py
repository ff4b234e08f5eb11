"""Reads MariaDB's binary logs as far as an archive must: are they whole, and from which transaction to which do they go.

A transaction has the same number on every server of a cluster (its GTID, in the domain of Galera), whatever the logs are called
and wherever one ends and the next begins.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import IO

MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")
_FORMAT, _GTID, _GTID_LIST, _ENCRYPTION = 15, 162, 163, 164
_CRC32 = 1
_IN_USE = 0x0001
_LONGEST = 2**31
# The checksum, which is all that follows the header where a server stops.
_SHORTEST = 4


class Damaged(Exception):
    """The log is not what a server has written."""


@dataclass(frozen=True)
class Gtid:
    """A transaction. Of two in one domain the one with the larger ``number`` came later."""

    domain: int
    server: int
    number: int

    def __str__(self) -> str:
        return f"{self.domain}-{self.server}-{self.number}"

    @classmethod
    def parse(cls, text: str, domain: int) -> Gtid:
        """That of ``domain`` in a list like ``0-1-5,100-1-107``; the number 0 where there is none."""
        for item in filter(None, (part.strip() for part in text.split(","))):
            found = cls(*map(int, item.split("-")))
            if found.domain == domain:
                return found
        return cls(domain, 0, 0)


@dataclass
class Log:
    """What is known of a binary log, read up to ``size``: it follows on ``begins``, and ``ends`` is the last in it.

    ``first_time`` and ``last_time`` are when transactions in it were written, in seconds since 1970; 0 where there is none.
    ``before`` is a time of the reader's, and ``reached`` the last transaction that was whole before the first event of that time.
    """

    domain: int
    size: int = 0
    begins: Gtid | None = None
    ends: Gtid | None = None
    first_time: int = 0
    last_time: int = 0
    before: int = 0
    reached: Gtid | None = None
    stopped: bool = False

    def read(self, stream: IO[bytes]) -> None:
        """Go on with what follows: whole events. Raises Damaged."""
        if self.size == 0:
            if stream.read(len(MAGIC)) != MAGIC:
                raise Damaged("it does not begin as a binary log does")
            self.size = len(MAGIC)
        while header := stream.read(_HEADER.size):
            self._event(header, stream)
        if not self.stopped:
            self.reached = self.ends

    def _event(self, header: bytes, stream: IO[bytes]) -> None:
        if len(header) < _HEADER.size:
            raise Damaged(f"it ends within an event at {self.size}")
        when, kind, server, length, _, flags = _HEADER.unpack(header)
        if not _HEADER.size + _SHORTEST <= length < _LONGEST:
            raise Damaged(f"there is no event at {self.size}")
        body = stream.read(length - _HEADER.size)
        if len(body) < length - _HEADER.size:
            raise Damaged(f"it ends within the event at {self.size}")
        if kind == _ENCRYPTION:
            raise Damaged("it is encrypted by the server")
        if kind == _FORMAT:
            if body[-5:-4] != bytes([_CRC32]):
                raise Damaged("it has no checksums, which binlog_checksum = CRC32 adds")
            header = header[:-2] + struct.pack("<H", flags & ~_IN_USE)  # not covered, as it changes when the log is closed
        if zlib.crc32(body[:-4], zlib.crc32(header)) != struct.unpack("<I", body[-4:])[0]:
            raise Damaged(f"the checksum of the event at {self.size} is wrong")
        if not self.stopped and (kind == _GTID or not self.ends):
            self.reached = self.ends
        self.stopped = self.stopped or 0 < self.before <= when
        if kind == _GTID_LIST:
            self._begin(body)
        if kind == _GTID:
            number, domain = struct.unpack_from("<QI", body)
            if domain == self.domain:
                self.ends = Gtid(domain, server, number)
                self.first_time = self.first_time or when
                self.last_time = when
        self.size += length

    def _begin(self, body: bytes) -> None:
        (count,) = struct.unpack_from("<I", body)
        found = (struct.unpack_from("<IIQ", body, 4 + 16 * i) for i in range(count & (2**28 - 1)))
        gtids = {domain: Gtid(domain, server, number) for domain, server, number in found}
        self.begins = gtids.get(self.domain, Gtid(self.domain, 0, 0))
        self.ends = self.ends or self.begins

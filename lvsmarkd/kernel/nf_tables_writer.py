"""Transactions from a thread of their own: what a caller waits for has an end.

While somebody else's transaction is being done (6.3 s where 10,000 intervals are deleted), a send
to nf_tables sleeps in the kernel, and no timeout of a socket counts (measured).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from lvsmarkd.kernel.nf_tables_batch import NftRequest
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket

PATIENCE_SECONDS = 5.0


class KernelHeldError(Exception):
    """A transaction did not come to its turn in time. Where it is in the kernel already, it will be
    done or refused yet, by the generation that it is about: what came of it is to be read.
    """


class NfTablesWriter:
    """Keeps a socket, and writes by it, one transaction after the other. Any thread may ask it.

    ``before`` is called in the thread that writes, ahead of each transaction.
    Its tables with the flag ``owner`` live until ``close``, as long as nobody else has the socket.
    """

    def __init__(self, kept: NfTablesSocket, before: Callable[[], None] = lambda: None) -> None:
        self._socket = kept
        self._before = before
        self._thread = ThreadPoolExecutor(1, "nf_tables")

    @property
    def port(self) -> int:
        """The netlink port of its socket: who owns its tables."""
        return self._socket.port

    def fileno(self) -> int:
        """The descriptor of its socket, for systemd's fd store. It is still the writer's."""
        return self._socket.fileno()

    def submit(self, requests: Sequence[NftRequest], generation: int | None = None) -> Future[None]:
        """Have a transaction done, behind those that were submitted before: for an event loop.

        What the future raises is what ``NfTablesSocket.commit`` raises. One that is cancelled
        before its turn is never sent.
        """
        return self._thread.submit(self._commit, requests, generation)

    def _commit(self, requests: Sequence[NftRequest], generation: int | None) -> None:
        self._before()
        self._socket.commit(requests, generation)

    def commit(
        self,
        requests: Sequence[NftRequest],
        generation: int | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Have it done, and wait for it ``patience`` seconds at most.

        Raises what ``NfTablesSocket.commit`` raises, and KernelHeldError.
        """
        done = self.submit(requests, generation)
        try:
            done.result(patience)
        except TimeoutError as error:
            done.cancel()
            raise KernelHeldError(
                f"for {patience:.3g} s somebody else's transaction holds nf_tables"
            ) from error

    def close(self) -> None:
        """Give the socket up, once what is being sent is done; what waits behind it is not sent."""
        self._thread.shutdown(cancel_futures=True)
        self._socket.close()

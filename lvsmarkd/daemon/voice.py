"""placeholder"""
import asyncio, sys, logging
from time import monotonic
class Voice:
    def up(self, name): print('up', name, file=sys.stderr)
    def down(self, name, reason): print('down', name, reason, file=sys.stderr)
    def overrun(self, name): print('overrun', name, file=sys.stderr)
    def crashed(self, e): logging.exception("x", exc_info=e)
    def queued(self, wake): print('wake', wake, file=sys.stderr)
    def started(self, listen, healthy): pass
    async def pulse(self, healthy):
        while True: await asyncio.sleep(10)
    def stopping(self): pass
    def stopped(self): pass
    def listen(self, l): pass
    def reloading(self): pass
    def reloaded(self, ok, t): pass
    def backend_call(self, *a): pass
    def tell(self, r): print(f'{monotonic():.3f}', r.result.value, r.trigger.value, f'{r.duration*1e3:.1f}ms', [str(x.step) for x in r.repairs], r.actors, r.error, file=sys.stderr)

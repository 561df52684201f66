"""A desk whose orders come, fail, end and lapse at any time: its CA never has to say no."""

from collections import deque
from datetime import datetime, timedelta

from build import HOUR, MINUTE, NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from customdomains.controller.desk import TURN, Desk
from customdomains.model.domain import Key
from customdomains.policy.budget import Bucket, Demand, IssuerLimits, Kind, Limit

LIMITS = IssuerLimits(
    orders=Limit(3, 10 * MINUTE),
    domain=Limit(2, 20 * MINUTE),
    names=Limit(1, 30 * MINUTE),
    failures=Limit(2, HOUR),
)


class Ca:
    """Counts as Let's Encrypt says that it does: tokens, refilled evenly."""

    def __init__(self) -> None:
        self._tokens: dict[Bucket, tuple[float, datetime]] = {}

    def count(self, kind: Kind, subject: str, at: datetime) -> None:
        bucket, limit = Bucket(kind, subject), LIMITS.of(kind)
        assert limit is not None
        tokens, since = self._tokens.get(bucket, (float(limit.most), at))
        tokens = min(tokens + (at - since) / limit.pace, limit.most)
        assert tokens >= 1 - 1e-6, f"the CA refuses: {bucket}"
        self._tokens[bucket] = (tokens - 1, at)


class Floor:
    """Who works at the desk; `running` are orders that are being placed, `open` those that are."""

    def __init__(self) -> None:
        self.now, self.ca = NOW, Ca()
        self.running: list[tuple[Key, Demand]] = []
        self.open: list[tuple[Key, Demand]] = []
        self.called: deque[Key] = deque()
        self.wants: dict[Key, Demand] = {}
        self.desk = Desk("main", LIMITS, wanted=self.wants.__contains__, under_way=self.is_open)

    def is_open(self, key: Key) -> bool:
        return any(each == key for each, _ in self.open)

    def busy(self, key: Key) -> bool:
        return self.is_open(key) or any(each == key for each, _ in self.running)

    def hear(self, keys: list[Key]) -> None:
        self.called.extend(keys)

    def seek(self, key: Key) -> None:
        demand = self.wants.get(key)
        if demand is None or self.busy(key):
            return
        wait, others = self.desk.seek(key, demand, self.now)
        self.hear(others)
        if wait is None:
            del self.wants[key]
            self.running.append((key, demand))
        else:
            assert wait.until > self.now

    def want(self, key: Key) -> None:
        if not self.busy(key):
            self.wants[key] = Demand("main", (f"{key.namespace}-{key.name}.example.com",))
            self.seek(key)

    def answer(self, comes: bool) -> None:
        """Who was called has looked at its proof, and comes if that is there."""
        if self.called:
            key = self.called.popleft()
            if comes:
                self.seek(key)

    def forget(self, key: Key) -> None:
        if not self.busy(key):
            self.wants.pop(key, None)
            self.hear(self.desk.forget(key, self.now))

    def place(self, taken: bool) -> None:
        if not self.running:
            return
        key, demand = self.running.pop(0)
        if not taken:
            self.hear(self.desk.unplaced(key, self.now))
            return
        self.ca.count(Kind.ORDERS, "", self.now)
        self.open.append((key, demand))
        self.hear(self.desk.placed(key, demand, self.now))

    def end(self, well: bool) -> None:
        if not self.open:
            return
        key, demand = self.open.pop(0)
        if well:
            self.ca.count(Kind.DOMAIN, "example.com", self.now)
            self.ca.count(Kind.NAMES, demand.names[0], self.now)
            self.hear(self.desk.issued(key, demand, self.now))
        else:
            self.ca.count(Kind.FAILURES, demand.names[0], self.now)
            done = self.desk.failed(key, demand.names, self.now, invalid=True, lost=True)
            self.hear(done)

    def pass_time(self, length: timedelta) -> None:
        until = self.now + length
        while (due := self.desk.due(self.now)) is not None and due <= until:
            self.now = max(due, self.now + SECOND)
            self.hear(self.desk.advance(self.now))
        self.now = max(until, self.now)
        self.hear(self.desk.advance(self.now))


keys = st.builds(Key, st.sampled_from("ab"), st.sampled_from(["x", "y", "z"]))
steps = st.one_of(
    st.tuples(st.just("want"), keys),
    st.tuples(st.just("answer"), st.booleans()),
    st.tuples(st.just("place"), st.booleans()),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("forget"), keys),
    st.tuples(st.just("pass_time"), st.sampled_from([SECOND, 70 * SECOND, 4 * MINUTE, HOUR])),
)


@given(st.lists(steps, max_size=80))
def test_whatever_happens_the_ca_never_has_to_refuse(story):
    floor = Floor()
    for what, which in story:
        getattr(floor, what)(which)
    # And whoever still wants an order gets one.
    floor.called.extend(floor.wants)
    for _ in range(200):
        if not floor.wants:
            break
        while floor.called:
            floor.seek(floor.called.popleft())
        while floor.running:
            floor.place(True)
        while floor.open:
            floor.end(True)
        floor.pass_time(10 * MINUTE)
    assert not floor.wants, "somebody starves"
    assert not floor.desk.waiting(floor.now)


def test_a_turn_lapses_and_goes_to_the_next():
    floor = Floor()
    for name in ("x", "y"):
        key = Key("a", name)
        floor.wants[key] = Demand("main", (f"{name}.example.org",))
    limits = IssuerLimits(orders=Limit(1, HOUR))
    floor.desk = Desk("main", limits, wanted=floor.wants.__contains__, under_way=floor.is_open)
    first, second = Key("a", "x"), Key("a", "y")
    third = Key("a", "first")
    assert floor.desk.seek(third, Demand("main", ("z.example.org",)), NOW)[0] is None
    floor.desk.placed(third, Demand("main", ("z.example.org",)), NOW)
    for key in (first, second):
        assert floor.desk.seek(key, floor.wants[key], NOW)[0] is not None
    assert floor.desk.waiting(NOW) == {Kind.ORDERS: 2}
    assert floor.desk.free_at(NOW) == floor.desk.due(NOW) == NOW + HOUR
    assert floor.desk.advance(NOW + HOUR) == [first]
    assert floor.desk.due(NOW + HOUR) == NOW + HOUR + TURN
    assert floor.desk.advance(NOW + HOUR + TURN) == [second]
    wait, _ = floor.desk.seek(first, floor.wants[first], NOW + HOUR + TURN)
    assert wait is not None


def test_failed_validations_count_for_their_name_alone():
    limits = IssuerLimits(failures=Limit(2, HOUR))
    desk = Desk("main", limits, wanted=lambda _: True, under_way=lambda _: False)
    demand, other = Demand("main", ("a.test", "*.a.test")), Demand("main", ("b.test",))
    for _ in range(2):
        assert desk.seek(Key("n", "a"), demand, NOW)[0] is None
        desk.placed(Key("n", "a"), demand, NOW)
        desk.failed(Key("n", "a"), demand.names, NOW, invalid=True, lost=True)
    wait, _ = desk.seek(Key("n", "a"), demand, NOW)
    assert wait is not None
    assert (wait.limit, wait.until) == (Kind.FAILURES, NOW + HOUR / 2)
    assert wait.message == (
        "the limit of 2 failed validations of a.test in an hour at the issuer main is reached; the "
        "next one is possible at 2026-03-01T12:30:00Z"
    )
    assert desk.seek(Key("n", "b"), other, NOW)[0] is None
    assert desk.waiting(NOW) == {Kind.FAILURES: 1}
    assert desk.advance(NOW + HOUR / 2) == [Key("n", "a")]

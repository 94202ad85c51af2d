"""Nothing acknowledged is lost: a short share of what tests/integration/durability does at length."""
import os
import random

import pytest

import durability
from flood import Violation

SEED = int(os.environ.get("AVISO_SEED", random.SystemRandom().randrange(1 << 32)))


@pytest.mark.timeout(300)
def test_kills_lose_nothing(tmp_path):
    report = durability.kills(tmp_path, 5, SEED)
    assert report["acknowledged"] > 100


needs_loop = pytest.mark.skipif(not durability.may_mount(), reason="the kernel lets nobody mount a loop device here")


@needs_loop
@pytest.mark.timeout(300)
def test_power_cuts_lose_nothing(tmp_path):
    report = durability.power_cuts(tmp_path, 3, SEED)
    assert report["acknowledged"] > 100


@needs_loop
@pytest.mark.timeout(300)
def test_without_syncs_power_cuts_lose(tmp_path):
    """The negative control: the same test must fail when the server's syncs do nothing."""
    with pytest.raises(Violation):
        durability.power_cuts(tmp_path, 6, SEED, lying=True)


@needs_loop
@pytest.mark.timeout(300)
def test_failing_syncs_lose_nothing(tmp_path):
    report = durability.failing_syncs(tmp_path, 3, SEED)
    assert report["acknowledged"] > 100


@needs_loop
@pytest.mark.timeout(300)
def test_a_full_disk_is_a_temporary_error(tmp_path):
    durability.full_disk(tmp_path, SEED)


@needs_loop
@pytest.mark.timeout(300)
def test_a_start_on_a_full_disk_says_so_and_the_next_one_serves(tmp_path):
    durability.full_disk(tmp_path, SEED, at_start=True)

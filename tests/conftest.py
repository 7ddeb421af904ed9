"""What tests share: where real excerpts lie, and how a test says what it needs."""

import os
from pathlib import Path

import pytest

# Threads only get into each other's way on work as small as a test's.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
TEST_DATA = Path(os.environ.get("SCSCOPE_TEST_DATA", ROOT.parent / "shared" / "data"))
# What must be there, such as "data chromium": then a test that lacks it fails instead of skipping.
REQUIRED = os.environ.get("SCSCOPE_TEST_REQUIRE", "").split()


def need(name: str, present: bool, how: str) -> None:
    """Skip the test, with the reason, where the machine lacks `name`; fail where CI requires it."""
    if present:
        return
    if name in REQUIRED:
        pytest.fail(f"{name} is required by SCSCOPE_TEST_REQUIRE but missing: {how}")
    pytest.skip(f"no {name}: {how}")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real excerpts."""
    need("data", TEST_DATA.is_dir(), f"set SCSCOPE_TEST_DATA, {TEST_DATA} does not exist")
    return TEST_DATA


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of reference tables and of real Splatter output, beside the excerpts."""
    path = TEST_DATA.parent / "reference"
    need("data", path.is_dir(), f"set SCSCOPE_TEST_DATA, {path} does not exist")
    return path

import pytest

from aviso import Server


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path).start().fill()
    yield one
    one.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the end of the server's log."""
    outcome = yield
    report = outcome.get_result()
    server = item.funcargs.get("server")
    if report.failed and server is not None:
        report.sections.append(("the server's log", server.tail()))

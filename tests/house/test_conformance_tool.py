"""The tool that runs the vendors' own tests: what it unpacks, what it believes, how it counts."""

import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from tools.conformance import packages, report, results, server, session, suites
from tools.conformance.errors import CannotRunError, UnsafeArchiveError
from tools.conformance.results import Outcome
from tools.conformance.suites import Suite

TEST_FILE = ("sdk-1.0/tests/test_it.py", b"def test_it(): pass\n")


def a_suite(**changes: object) -> Suite:
    """Give a row with one test expected, changed where asked."""
    row = Suite(package="sdk", version="1.0", sha256="0" * 64, files=["test_it.py"], tests=1, timeout_s=30)
    return msgspec.structs.replace(row, **changes)


def an_archive(path: Path, *files: tuple[str, bytes], odd: tarfile.TarInfo | None = None) -> Path:
    """Write a gzipped tar of files, and of one odd member."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if odd is not None:
            tar.addfile(odd)
    return path


def a_link(kind: bytes) -> tarfile.TarInfo:
    """Give a member that links to a file outside."""
    link = tarfile.TarInfo("sdk-1.0/tests/link")
    link.type, link.linkname = kind, "/etc/passwd"
    return link


def outcomes_of(tmp_path: Path, cases: str) -> list[Outcome]:
    """Read JUnit XML made of the given test cases."""
    path = tmp_path / "results.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    return results.read(path)


def a_case(name: str, inside: str = "", reached: str = "yes") -> str:
    """Give a test case as pytest writes it."""
    said = f'<properties><property name="reached_server" value="{reached}"/></properties>'
    return f'<testcase classname="test_it.TestIt" name="{name}">{said}{inside}</testcase>'


def test_only_the_tests_of_a_package_are_unpacked(tmp_path: Path) -> None:
    """The SDK itself is the installed one; its source stays in the archive, and old files do not linger."""
    archive = an_archive(tmp_path / "a.tar.gz", TEST_FILE, ("sdk-1.0/setup.py", b""), ("sdk-1.0/tests/x/y.py", b"y"))
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale.py").write_text("")
    packages.unpack_tests(archive, target)
    found = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert found == ["test_it.py", "x/y.py"]
    assert (target / "test_it.py").read_bytes() == TEST_FILE[1]


@pytest.mark.parametrize("name", ["sdk-1.0/tests/../../../out.py", "/sdk-1.0/tests/out.py", "sdk-1.0/tests/..\\out.py"])
def test_an_archive_that_leads_out_is_refused_whole(tmp_path: Path, name: str) -> None:
    """One bad path, and not even the good files before it are written."""
    archive = an_archive(tmp_path / "a.tar.gz", TEST_FILE, (name, b"x"))
    with pytest.raises(UnsafeArchiveError, match="leads out"):
        packages.unpack_tests(archive, tmp_path / "deep" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    """A source package has none."""
    archive = an_archive(tmp_path / "a.tar.gz", TEST_FILE, odd=a_link(kind))
    with pytest.raises(UnsafeArchiveError, match="neither a file nor a folder"):
        packages.unpack_tests(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes are added up before anything is written."""
    monkeypatch.setattr(packages, "MOST_BYTES", 10)
    archive = an_archive(tmp_path / "a.tar.gz", TEST_FILE)
    with pytest.raises(UnsafeArchiveError, match="bytes"):
        packages.unpack_tests(archive, tmp_path / "out")


def test_two_top_folders_or_a_broken_file_are_no_source_package(tmp_path: Path) -> None:
    """The layout of a source package is known; anything else is not one."""
    two = an_archive(tmp_path / "two.tar.gz", TEST_FILE, ("other/tests/x.py", b""))
    with pytest.raises(UnsafeArchiveError, match="one top folder"):
        packages.unpack_tests(two, tmp_path / "out")
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"not an archive")
    with pytest.raises(UnsafeArchiveError):
        packages.unpack_tests(broken, tmp_path / "out")
    empty = an_archive(tmp_path / "none.tar.gz", ("sdk-1.0/setup.py", b""))
    with pytest.raises(CannotRunError, match="no tests/ folder"):
        packages.unpack_tests(empty, tmp_path / "out")


def test_an_archive_is_known_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached archive with the right hash needs no network, whatever its name."""
    archive = an_archive(tmp_path / "any_name.tar.gz", TEST_FILE)
    monkeypatch.setattr(packages, "_download", lambda *_: pytest.fail("nothing is missing"))
    sha256 = packages.sha256_of(archive)
    assert packages.fetch([a_suite(sha256=sha256)], tmp_path) == {sha256: archive}


def test_an_archive_with_another_hash_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the index gives out under the name and version is not enough."""
    monkeypatch.setattr(packages, "_download", lambda _suites, folder: an_archive(folder / "sdk-1.0.tar.gz", TEST_FILE))
    with pytest.raises(CannotRunError, match="no archive with sha256 0000"):
        packages.fetch([a_suite()], tmp_path)


def test_failures_errors_and_skips_are_no_passes(tmp_path: Path) -> None:
    """Whatever is not a pass is told with its reason; a failure with a failing teardown is one test."""
    cases = a_case("test_a") + a_case("test_b", '<failure message="assert 1 == 2"/>')
    cases += a_case("test_b", '<error message="teardown"/>') + a_case("test_c", '<skipped message="no number"/>')
    verdict = results.judge(a_suite(tests=3), outcomes_of(tmp_path, cases), None)
    assert (verdict.passed, verdict.total, verdict.is_good) == (1, 3, False)
    assert verdict.failed == [
        ("test_it.TestIt::test_b", "error: assert 1 == 2; then teardown"),
        ("test_it.TestIt::test_c", "skipped: no number"),
    ]


def test_a_named_test_that_asks_nothing_is_excluded(tmp_path: Path) -> None:
    """It returned at once: neither a pass nor a failure, and told apart with its reason."""
    suite = a_suite(tests=3, excluded={"needs a tenant": ["test_teams"]})
    cases = a_case("test_a") + a_case("test_teams[x]", reached="no") + a_case("test_teams[y]", reached="no")
    verdict = results.judge(suite, outcomes_of(tmp_path, cases), None)
    assert verdict.is_good
    assert report.as_json({"it": verdict}) == '{"conformance": {"it": {"passed": 1, "total": 1, "excluded": 2}}}'
    told = "\n".join(report.lines("it", suite, verdict, 1.0, tmp_path))
    assert "2 not counted, needs a tenant: test_teams x2" in told


def test_a_named_test_that_asks_the_server_is_judged(tmp_path: Path) -> None:
    """An exclusion covers only what really cannot run; a failing test never hides behind one."""
    suite = a_suite(tests=2, excluded={"needs a tenant": ["test_teams"]})
    cases = a_case("test_teams[x]") + a_case("test_teams[y]", '<failure message="401"/>', reached="no")
    verdict = results.judge(suite, outcomes_of(tmp_path, cases), None)
    assert (verdict.passed, verdict.total, verdict.excluded_count, verdict.is_good) == (1, 2, 0, False)


def test_missing_tests_and_idle_exclusions_are_problems(tmp_path: Path) -> None:
    """A suite that finds fewer tests than its row says has not passed."""
    suite = a_suite(tests=2, excluded={"needs a tenant": ["test_gone"]})
    verdict = results.judge(suite, outcomes_of(tmp_path, a_case("test_a")), None)
    assert (verdict.passed, verdict.total, verdict.is_good) == (1, 2, False)
    assert verdict.problems == ["2 tests expected, 1 ran", "excluded, but no such test ran: test_gone"]


def test_a_test_that_was_broken_off_has_not_passed(tmp_path: Path) -> None:
    """An interrupted run leaves an entry without a name, or one whose teardown never spoke."""
    cases = a_case("test_a") + '<testcase time="0.0"/><testcase classname="c" name="test_b"/>'
    verdict = results.judge(a_suite(tests=3), outcomes_of(tmp_path, cases), "stopped after 3 s")
    assert (verdict.passed, verdict.total) == (1, 3)
    assert verdict.problems == ["stopped after 3 s", "3 tests expected, 2 ran"]


def test_no_results_are_no_success(tmp_path: Path) -> None:
    """A pytest that died wrote nothing, or half a file."""
    (tmp_path / "half.xml").write_text("<testsuites><testsuite>")
    for path in (tmp_path / "none.xml", tmp_path / "half.xml"):
        verdict = results.judge(a_suite(), results.read(path), None)
        assert (verdict.passed, verdict.total, verdict.is_good) == (0, 1, False)


def test_a_suite_runs_with_the_stand_in_and_is_heard(tmp_path: Path) -> None:
    """A real run: the stand-in is found, and a test that sends is told from one that does not."""
    (tmp_path / "test_it.py").write_text(
        "import http.client, os\n"
        "import pytest\n"
        "from devtools_testutils import add_body_key_sanitizer, is_live, recorded_by_proxy\n"
        "from devtools_testutils import PowerShellPreparer\n"
        "@recorded_by_proxy\n"
        "def test_quiet(): assert is_live() and add_body_key_sanitizer(value='x') is None\n"
        "def test_asks():\n"
        "    connection = http.client.HTTPConnection('127.0.0.1', 1)\n"
        "    with pytest.raises(OSError): connection.request('GET', '/')\n"
        "class TestCase:\n"
        "    @PowerShellPreparer('x', number_of_ours='none')\n"
        "    @recorded_by_proxy\n"
        "    def test_fills(self, number_of_ours): assert number_of_ours == '+15550100'\n"
    )
    suite = a_suite(tests=3, env={"NUMBER_OF_OURS": "{phone_numbers[0]}"})
    connection = server.Connection(
        http="http://127.0.0.1:2", https="https://127.0.0.1:1", ca_file="", env={},
        connection_string="endpoint=https://127.0.0.1:1/;accesskey=a2V5", phone_numbers=["+15550100"],
    )  # fmt: skip
    xml, log = tmp_path / "it.xml", tmp_path / "it.log"
    environment = session.live_environment(suite, {"AZURE_TEST_RUN_LIVE": "true"}, connection)
    trouble = session.run(suite, environment, tests=tmp_path, results=xml, log=log)
    verdict = results.judge(suite, results.read(xml), trouble)
    assert verdict.is_good, log.read_text()
    assert verdict.quiet == ["test_it::test_quiet", "test_it.TestCase::test_fills"]


def test_a_connection_must_be_one_over_tls() -> None:
    """The SDKs speak https to the host of the connection string whatever its scheme says."""
    fields = {"http": "h", "https": "s", "ca_file": "c", "env": {}}
    plain = msgspec.json.encode(fields | {"connection_string": "endpoint=http://localhost:1/;accesskey=k"})
    with pytest.raises(CannotRunError, match="https endpoint"):
        server.parse(plain, "file")
    with pytest.raises(CannotRunError, match="connection_string"):
        server.parse(msgspec.json.encode(fields), "file")


def test_a_value_that_the_server_does_not_have_is_told() -> None:
    """A row that wants a phone number from a server without one cannot run."""
    text = '{"http":"h","https":"s","ca_file":"c","env":{},"connection_string":"endpoint=https://x/;accesskey=k"}'
    connection = server.parse(text.encode(), "file")
    assert connection.fill("{https}!") == "s!"
    with pytest.raises(CannotRunError, match="phone_numbers"):
        connection.fill("{phone_numbers[0]}")


def test_every_row_pins_what_it_runs() -> None:
    """The table reads, and every row names an exact release by its hash."""
    for suite in suites.load().suites.values():
        assert len(suite.sha256) == 64
        assert set(suite.sha256) <= set("0123456789abcdef")
        assert suite.version[0].isdigit()
        assert suite.tests > 0


def test_another_release_of_the_sdk_is_not_tested() -> None:
    """The tests of one release say nothing about another."""
    with pytest.raises(CannotRunError, match=r"pytest 0\.1 is needed, found"):
        suites.check_installed({"it": a_suite(package="pytest", version="0.1")})
    with pytest.raises(CannotRunError, match="not installed"):
        suites.check_installed({"it": a_suite(package="no-such-package-of-ours")})

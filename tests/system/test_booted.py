"""An appliance as systemd's units: installed from a bundle, and there again after a boot."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from install.slots.journal import ENDS, FINISHED, REVERTED, STARTED
from install.testing import missing_packages
from tests.system import releases
from tests.system.boxes import fingerprint_of
from tests.system.guests import Guest, a_guest, make_tree, missing_programs, told

pytestmark = pytest.mark.system

HOME = "/var/lib/casemate"
FIRST, SECOND = "9.1.0", "9.2.0"
CASEMATE = f"{HOME}/slot/services/bin/casemate"
APPLY_S = 400
BOOT_S = 180

LOOK = f"""
for unit in casemate.target casemate-instance casemate-gateway casemate-model-server; do
  systemctl is-active $unit
done > active
systemctl show -p User -p NRestarts -p MainPID casemate-instance casemate-gateway > shown
{CASEMATE} status --json > status 2> status.err
{CASEMATE} ask "Say yes." --max-tokens 16 > answer 2> answer.err
{CASEMATE} audit verify > audit 2>&1; echo $? > audited
stat -c '%U %a %n' {HOME}/instance/* {HOME}/keys/master.key {HOME}/credentials/* > owners
stat -c '%U' {HOME}/slot/services/bin/python {HOME}/config.json > roots
for unit in instance gateway; do
  tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID casemate-$unit)/status
done | grep -E '^(Uid|CapBnd|NoNewPrivs|Seccomp):' > confined
{CASEMATE} clock show > clock 2>&1
journalctl -b -q --no-pager -u 'casemate*' | tail -50 > journal
tail -n 40 {HOME}/logs/*.log > logs
"""
# An address that is this machine's own, and of no network that anybody named.
REACH = """
ip addr add 192.0.2.1/32 dev lo
python3 -m http.server 9999 --bind 192.0.2.1 > /dev/null 2>&1 &
cat > reach.py <<'END'
import socket
try:
    socket.create_connection(("192.0.2.1", 9999), timeout=3)
    print("reached")
except OSError:
    print("refused")
END
sleep 2
python3 reach.py > reached_freely
for unit in instance gateway model-server; do
  group=/sys/fs/cgroup$(systemctl show -P ControlGroup casemate-$unit)
  sh -c "echo \\$\\$ > $group/cgroup.procs && exec python3 reach.py"
done > reached_by_services
"""
INSTALL = "python3 /srv/x.bundle apply --systemd --json --fingerprint {} > applied 2> applied.err\n"
WAIT = f"""
for second in $(seq 90); do {CASEMATE} status --json >/dev/null 2>&1 && break; sleep 1; done
"""


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, str]]:
    """A fresh machine that a bundle was carried to, and its maker's fingerprint."""
    missing = missing_programs()
    if missing:
        sentence = f"nothing can be booted: {', '.join(missing)} ({missing_packages()})"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(f"NOT BOOTED: {sentence}")
    folder = tmp_path_factory.mktemp("booted")
    carried = []
    for name, version, generation in (("x", FIRST, None), ("y", SECOND, 2)):
        release = releases.a_release(folder, version=version, stand_in=True, generation=generation)
        carried.append(releases.build(release, folder / "key", folder / f"{name}.bundle"))
    packed = make_tree(tmp_path_factory.getbasetemp())
    made = a_guest(folder, packed, carried=carried)
    yield made, fingerprint_of(folder / "key")
    shutil.rmtree(made.root)


def test_installed_as_units_and_there_again_after_a_boot(guest: tuple[Guest, str]) -> None:
    machine, fingerprint = guest
    first = machine.boot(f"{INSTALL.format(fingerprint)}{LOOK}", timeout_s=APPLY_S)
    assert told(first, "applied").get("release") == FIRST, first
    check(first)

    second = machine.boot(f"{WAIT}{LOOK}{REACH}", timeout_s=BOOT_S)
    check(second)
    assert second["reached_freely"].strip() == "reached", second
    assert second["reached_by_services"].split() == ["refused"] * 3, second

    after_down = machine.boot(f"{WAIT}{CASEMATE} down > down 2>&1\n", timeout_s=BOOT_S)
    assert "3 processes ended" in after_down["down"], after_down
    third = machine.boot(f"sleep 5; {CASEMATE} status > status; echo $? > code\n", timeout_s=BOOT_S)
    assert third["code"].strip() == "3", third


def test_a_power_cut_in_the_middle_of_an_upgrade_is_mended_at_the_boot(
    guest: tuple[Guest, str],
) -> None:
    """One that is not accepted yet makes room for the one before; then it can be applied again."""
    machine, fingerprint = guest
    journal = machine.root / HOME[1:] / "slots" / "journal.jsonl"
    if not journal.exists():
        machine.boot(INSTALL.format(fingerprint), timeout_s=APPLY_S)
    upgrade = f"{CASEMATE} bundle apply /srv/y.bundle --json > applied 2> applied.err\n"
    machine.lose_power(
        f"{CASEMATE} up > up 2>&1\n{upgrade}sleep 60\n",
        until=lambda: _steps(journal)[-1] == STARTED,
        timeout_s=APPLY_S,
    )
    assert _steps(journal)[-1] not in ENDS, "the machine went on"
    after = machine.boot(f"{WAIT}{LOOK}", timeout_s=BOOT_S)
    check(after)
    assert (_steps(journal)[-1], _release(machine)) == (REVERTED, FIRST), after
    last = machine.boot(f"{WAIT}{upgrade}{LOOK}", timeout_s=APPLY_S)
    check(last)
    assert (_steps(journal)[-1], _release(machine)) == (FINISHED, SECOND), last


def _release(machine: Guest) -> str:
    facts = json.loads((machine.root / HOME[1:] / "slot" / "slot.json").read_text())
    return str(facts["release"])


def _steps(journal: Path) -> list[str]:
    # The last line may be half written.
    lines = journal.read_text().split("\n")[:-1]
    return [json.loads(line)["step"] for line in lines]


def check(found: dict[str, str]) -> None:
    """What has to be so whenever the machine is up."""
    assert found["active"].split() == ["active"] * 4, found
    assert told(found, "status")["state"] == "ready", found
    assert found["answer"].strip(), found
    assert found["audited"].strip() == "0", found
    assert json.loads(found["clock"])["problem"] is None, found
    owners = {line.split()[0] for line in found["owners"].splitlines()}
    assert owners == {"casemate"}, found
    assert found["roots"].split() == ["root", "root"], found
    assert "User=casemate" in found["shown"], found
    assert found["confined"].count("CapBnd:\t0000000000000000") == 2, found
    assert found["confined"].count("NoNewPrivs:\t1") == 2, found
    assert found["confined"].count("Seccomp:\t2") == 2, found

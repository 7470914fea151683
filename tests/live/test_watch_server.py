"""``earlystop watch`` as its clients meet it: posts, restarts, logs, and people who mean harm."""

import http.client
import json
import os
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hard.hostile import hostile, is_valid, sent
from watch_server import Server, publish

from earlystop_lab import CurveSet, cli, read_curves, replay
from earlystop_lab.live.watch.journal import Journal

#: how many hostile posts are sent; 10000 takes a minute or so
HOSTILE = int(os.environ.get("EARLYSTOP_HOSTILE", "600"))
CRITERIA = ("-c", "GL(5, k=1)", "-c", "Keras(3)")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server for the tests that neither end it nor need it for themselves."""
    with Server(tmp_path_factory.mktemp("shared") / "runs", *CRITERIA) as made:
        yield made


def until(question, seconds=10):
    """The answer, once it is one."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return answer


VAL = [0.9, 0.5, 0.4, 0.42, 0.41, 0.43, 0.39]


def train(server, run=None, val=VAL, first=0):
    answer = None
    for epoch, error in enumerate(val, start=first):
        answer = server.post(epoch, run=run, loss=error / 2, val_loss=error, accuracy=0.5)
        assert answer.status_code == 200, answer.text
    return answer.json()


# -- posts ----------------------------------------------------------------------------------------


def test_a_run_is_shown_with_what_each_criterion_says(shared):
    assert shared.first.startswith("http://127.0.0.1:")
    assert train(shared) == {"run": "run", "checks": 7}
    expected = replay(CurveSet.from_runs([{"val": VAL}]), ["GL(5, k=1)", "Keras(3)"])
    row = shared.runs()["run"]
    assert row["stops"] == expected.stop[0].tolist() == [6, 6]
    assert (row["epoch"], row["val"], row["best"]) == (7, 0.39, {"epoch": 7, "val": 0.39})
    shown = shared.run("run")
    assert shown["curves"]["val"] == {"epoch": [1, 2, 3, 4, 5, 6, 7], "value": VAL}
    assert shown["channels"]["val"] == "val_loss"
    keras = shown["verdicts"][1]
    assert keras["reason"] == "Keras 3 >= 3 at epoch 6; best epoch 3"
    (statistic,) = keras["statistics"]
    assert (statistic["passes"], statistic["threshold"], statistic["value"]) == (">=", 3, 3)


def test_json_posts_several_runs_and_one_that_begins_again(shared):
    for name in ("a", "b"):
        for epoch in (0, 1):
            body = {"epoch": epoch, "val_loss": 1.0}
            answer = shared.session.post(shared.url + publish(name), json=body)
            assert answer.json() == {"run": name, "checks": epoch + 1}
    assert shared.post(0, run="a", val_loss=2.0).json() == {"run": "a (2)", "checks": 1}
    assert shared.post(1, run="a", val_loss=2.0).json() == {"run": "a (2)", "checks": 2}
    # the one that began last is on top
    assert [name for name in shared.runs() if name[0] in "ab"] == ["a (2)", "b", "a"]


def test_what_has_not_changed_is_not_sent_again(shared):
    train(shared, run="same")
    first = shared.get("/api/run", name="same")
    tag = {"If-None-Match": first.headers["ETag"]}
    again = shared.session.get(shared.url + "/api/run", params={"name": "same"}, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    shared.post(7, run="same", loss=0.1, val_loss=0.1)
    again = shared.session.get(shared.url + "/api/run", params={"name": "same"}, headers=tag)
    assert again.status_code == 200
    assert again.headers["ETag"] != first.headers["ETag"]


# -- kept -----------------------------------------------------------------------------------------


def test_runs_are_saved_on_the_way(shared, tmp_path):
    train(shared, run="saved")
    path = shared.folder / "saved.parquet"
    until(lambda: path.exists() and len(read_curves(path)["saved"].val) == len(VAL), 60)
    np.testing.assert_array_equal(read_curves(path)["saved"].train, np.array(VAL) / 2)
    # what the file has, the journal no longer needs
    until(lambda: not journalled(shared.folder, tmp_path), 60)


def journalled(folder, tmp_path):
    """What the journal of a server has, read from a copy as after a power cut."""
    copy = Path(tempfile.mkdtemp(dir=tmp_path))
    shutil.copytree(folder / ".watch", copy / ".watch")
    journal = Journal(copy)
    try:
        return [*journal.events()]
    finally:
        journal.close()


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="limits of files are Linux'")
def test_a_full_disk_refuses_posts_and_loses_none_that_it_acknowledged(tmp_path):
    """Writes fail where they would reach beyond a size; then there is space again; then a kill."""
    rng = random.Random(0)
    acknowledged = {name: [] for name in ("a", "b", "c")}
    for _ in range(2):
        with Server(tmp_path / "runs", "-c", "GL(5, k=1)") as server:
            process = psutil.Process(server.process.pid)
            first = 1 + max(sum(acknowledged.values(), [0]))
            statuses = []
            for epoch in range(first, first + 40):
                if epoch % 20 == 5:
                    limit = rng.randrange(1, 50_000)
                    process.rlimit(psutil.RLIMIT_FSIZE, (limit, psutil.RLIM_INFINITY))
                if epoch % 20 == 15:
                    process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY,) * 2)
                    statuses.append("space")
                # one of them may begin only when nothing can be written
                for name in "abc" if epoch % 20 > 7 or first > 1 else "ab":
                    metrics = {"loss": 1.0} if epoch > 3 else {}
                    answer = server.post(epoch - 1, run=name, val_loss=1 / epoch, **metrics)
                    statuses.append(answer.status_code)
                    if answer.status_code == 200:
                        acknowledged[name].append(epoch)
                    else:
                        assert answer.status_code == 507
                        assert answer.text.startswith("cannot be written: ")
            assert 507 in statuses
            assert statuses[-1] == 200
            shown = {name: run["checks"] for name, run in server.runs().items()}
            assert shown == {name: len(epochs) for name, epochs in acknowledged.items()}
            server.kill()
    with Server(tmp_path / "runs", "-c", "GL(5, k=1)") as server:
        assert server.runs().keys() == acknowledged.keys()
        assert server.interrupt() == (0, "")
    curves = read_curves(tmp_path / "runs")
    for name, epochs in acknowledged.items():
        assert curves[name].epoch.tolist() == epochs
        np.testing.assert_array_equal(curves[name].val, 1 / curves[name].epoch)


def test_ended_by_control_c_it_has_saved_everything_and_overwritten_nothing(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    CurveSet.from_runs([{"run": "a", "val": [9.0]}]).write(folder / "a.parquet")
    words = ("--val", "val_accuracy", "--mode", "max", "-c", "Keras(1)")
    with Server(folder, *words) as server:
        with pytest.raises(RuntimeError, match="used by another earlystop watch"):
            Server(folder)
        for epoch, accuracy in enumerate((0.5, 0.75, 0.625)):
            answer = server.post(epoch, run="a", val_accuracy=accuracy, val_loss=1.0)
            assert answer.json() == {"run": "a (2)", "checks": epoch + 1}
        assert server.runs()["a (2)"]["stops"] == [3]
        assert server.interrupt() == (0, "")
    assert read_curves(folder / "a.parquet")["a"].val.tolist() == [9.0]
    (curve,) = read_curves(folder / "a (2).parquet")
    assert curve.val.tolist() == [0.5, 0.75, 0.625]
    about = curve.about["val"]
    assert (about.direction, about.source) == ("max", "val_accuracy")


def test_killed_in_mid_run_it_loses_no_epoch_that_was_acknowledged(tmp_path):
    """Four clients post as fast as they can; the server is killed at three moments."""
    rng = random.Random(0)
    acknowledged = {f"net-{i}": [] for i in range(4)}
    for _ in range(3):
        with Server(tmp_path / "runs", "-c", "GL(5, k=1)") as server:
            clients = [
                threading.Thread(target=post_until_it_dies, args=(server, name, epochs))
                for name, epochs in acknowledged.items()
            ]
            for client in clients:
                client.start()
            time.sleep(rng.uniform(0.3, 2.6))
            server.kill()
            for client in clients:
                client.join()
    total = sum(map(len, acknowledged.values()))
    assert total > 40
    with Server(tmp_path / "runs", "-c", "GL(5, k=1)") as server:
        shown = server.runs()
        assert server.interrupt() == (0, "")
    curves = read_curves(tmp_path / "runs")
    for name, epochs in acknowledged.items():
        # each killed server may have written one epoch more than it could acknowledge
        assert set(epochs) <= set(curves[name].epoch)
        assert len(curves[name].epoch) == shown[name]["checks"] <= len(epochs) + 3
        np.testing.assert_array_equal(curves[name].val, 1 / curves[name].epoch)


def post_until_it_dies(server, name, epochs):
    """Post epochs 1, 2, 3 ... from where the run is; list those that were acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Content-Type": "application/json"}
    # on from where it was: the one after the last that is known to be there
    epoch = epochs[-1] + 1 if epochs else 1
    try:
        while True:
            body = json.dumps({"epoch": epoch - 1, "val_loss": 1 / epoch})
            connection.request("POST", publish(name), body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                return
            epochs.append(epoch)
            epoch += 1
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


def test_a_restarted_server_goes_on_as_if_nothing_had_been(tmp_path):
    with Server(tmp_path / "runs", *CRITERIA) as server:
        train(server, run="a", val=VAL[:4])
        train(server, run="b", val=VAL)
        before = server.run("b")
        server.kill()
    with Server(tmp_path / "runs", *CRITERIA) as server:
        train(server, run="a", val=VAL[4:], first=4)
        for name in "ab":
            shown = until(lambda name=name: server.run(name) if not waiting(server, name) else None)
            assert shown["curves"] == before["curves"]
            assert shown["verdicts"] == before["verdicts"]
        assert server.post(0, run="b", val_loss=1.0).json()["run"] == "b (2)"
        # other criteria may be asked of the same runs
        server.kill()
    with Server(tmp_path / "runs", "-c", "MaxEpochs(2)") as server:
        until(lambda: server.runs()["a"]["stops"] == [2])


def waiting(server, name):
    return any(verdict["waiting"] for verdict in server.run(name)["verdicts"])


# -- log files ------------------------------------------------------------------------------------


def test_logs_that_are_not_there_yet_grow_are_cut_and_begin_again(tmp_path):
    log, folder = tmp_path / "run" / "log.csv", tmp_path / "logs"
    log.parent.mkdir()
    folder.mkdir()
    name = str(log)
    with Server(tmp_path / "runs", log, folder, *CRITERIA) as server:
        until(lambda: "does not exist" in str(server.get("/api/runs").json()["unread"]))
        log.write_text("epoch,loss,val_loss\n0,0.9,1.0\n1,0.5,0.8\n2,0.4,0.")
        assert until(lambda: server.runs().get(name))["checks"] >= 2
        answer = server.post(0, run="other", val_loss=1.0)
        assert answer.status_code == 200
        with log.open("a") as file:
            file.write("79\n3,0.3,0.85\n4,0.2,0.9\n5,0.1,0.95\n")
        (folder / "a.csv").write_text("epoch,val_loss\n1,3\n")
        until(lambda: server.runs()[name]["checks"] == 6)
        assert server.run(name)["curves"]["val"]["value"] == [1.0, 0.8, 0.79, 0.85, 0.9, 0.95]
        until(lambda: server.runs()[name]["stops"] == [4, 6])
        until(lambda: str(folder / "a.csv") in server.runs())
        (folder / "b.csv").write_text("epoch,val_loss\n1,4\n")
        log.write_text("epoch,loss,val_loss\n0,0.9,1.1\n1,0.7,1.0\n")
        until(lambda: f"{name} (2)" in server.runs())
        until(lambda: str(folder / "b.csv") in server.runs())
        assert server.runs()[name]["checks"] == 6
        assert server.interrupt() == (0, f"{log} does not exist; it is read once it does\n")
    # both are kept, and the log goes on where it was
    with Server(tmp_path / "runs", log, *CRITERIA) as server:
        with log.open("a") as file:
            file.write("2,0.6,0.9\n")
        until(lambda: server.runs()[f"{name} (2)"]["checks"] == 3)
        shown = {name, f"{name} (2)", "other", str(folder / "a.csv"), str(folder / "b.csv")}
        assert server.runs().keys() == shown


def test_a_folder_that_its_own_files_are_in_is_followed_without_them(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,val_loss\n1,3\n2,2\n")
    name = str(tmp_path / "log.csv")
    for _ in (1, 2):
        with Server(tmp_path / "runs", tmp_path, *CRITERIA) as server:
            until(lambda: name in server.runs())
            server.post(0, run="other", val_loss=1.0)
            until(lambda: len([*(tmp_path / "runs").glob("*.parquet")]) == 2)
            (tmp_path / "more.txt").write_text("nothing to see\n")
            until(
                lambda: any("more.txt" in each for each in server.get("/api/runs").json()["unread"])
            )
            assert not any("runs/" in each for each in server.get("/api/runs").json()["unread"])
            assert server.runs().keys() == {name, "other"}
            assert server.interrupt() == (0, "")
        (tmp_path / "more.txt").unlink()


def test_a_criterion_of_another_column_of_a_log(tmp_path):
    log = tmp_path / "log.csv"
    rows = ["0,1.0,0.5,0.1", "1,0.9,0.8,0.1", "2,0.8,0.7,0.1", "3,0.7,0.7,0.1"]
    log.write_text("\n".join(["epoch,val_loss,val_accuracy,learning_rate", *rows, ""]))
    rule, name = "any_of(Keras(9), Keras(2, val='val_accuracy'))", str(log)
    for _ in (1, 2):
        with Server(tmp_path / "runs", log, "-c", rule) as server:
            until(lambda: name in server.runs())
            reason = until(lambda: server.run(name)["verdicts"][0]["reason"])
            assert reason == "Keras 2 >= 2 at epoch 4; best epoch 4"
            assert server.interrupt() == (0, "")
    curves = read_curves(tmp_path / "runs")
    assert curves.about("val_accuracy").direction == "max"
    assert curves.about("epoch").unit == "epoch"
    assert replay(curves, [rule]).stop[0, 0] == 4


# -- mistakes at the command line -----------------------------------------------------------------


def refused(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["earlystop", "watch", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    return re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-c", "GLL(2)"], "unknown criterion 'GLL'"),
        (["-c", "GL"], "such as GL(2)"),
        (["--mode", "best"], "--mode 'best': expected one of min, max"),
        (["--port", "70000"], "--port"),
        (["--host", "no such host", "--port", "0"], "no such host:0: "),
    ],
)
def test_a_mistake_is_one_message(tmp_path, monkeypatch, capsys, words, expected):
    monkeypatch.chdir(tmp_path)
    assert expected in refused(monkeypatch, capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_named(tmp_path, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(monkeypatch, capsys, "--port", port, "-o", tmp_path / "runs")
    assert f"127.0.0.1:{port}: Address already in use; choose another --host or --port" in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_one_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("notes")
    message = refused(monkeypatch, capsys, "--port", 0, "-o", tmp_path / "file")
    assert str(tmp_path / "file") in message
    assert (tmp_path / "file").read_text() == "notes"


def test_a_damaged_journal_is_named(tmp_path, monkeypatch, capsys):
    hidden = tmp_path / "runs" / ".watch"
    hidden.mkdir(parents=True)
    (hidden / "journal.sqlite").write_text("notes\n" * 1000)
    message = refused(monkeypatch, capsys, "--port", 0, "-o", tmp_path / "runs")
    assert "journal.sqlite: damaged (file is not a database); move the file elsewhere" in message


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("earlystop_lab.live.watch.")]:
        monkeypatch.delitem(sys.modules, name)
    message = refused(monkeypatch, capsys, "-o", tmp_path / "runs")
    assert 'watch needs the package uvicorn: pip install "earlystop_lab[watch]"' in message


# -- who may ---------------------------------------------------------------------------------------


def raw(server, method, path, headers=(), body=b""):
    """Status, headers and body of an answer to a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


GOOD = b'{"epoch": 0, "val_loss": 1.0}'


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "192.168.1.7"])
def test_addresses_and_this_machine_are_this_server(shared, host):
    headers = [("Host", f"{host}:{shared.port}")]
    assert raw(shared, "GET", "/api/runs", headers)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost.x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_somebody_let_point_here_is_refused(shared, host, method):
    """DNS rebinding: the browser believes the page of that name to be of one origin with us."""
    status, _, body = raw(shared, method, "/api/runs", [("Host", host)])
    assert (status, b"is not this server" in body) == (403, True)


@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ],
)
def test_no_page_of_another_origin_may_post(shared, header):
    before = shared.runs()
    headers = [("Host", f"127.0.0.1:{shared.port}"), ("Content-Type", "application/json"), header]
    status, found, _ = raw(shared, "POST", publish("x"), headers, GOOD)
    assert status == 403
    assert not [name for name in found if name.lower().startswith("access-control")]
    assert shared.runs().keys() == before.keys()


def test_preflights_get_no_permission(shared):
    headers = [("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")]
    status, found, _ = raw(shared, "OPTIONS", publish(), [("Host", "localhost"), *headers])
    assert status >= 400
    assert not [name for name in found if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/watch.js", "/watch.css", "/plotly.min.js", "/api/runs"])
def test_every_answer_tells_browsers_to_trust_nothing_else(shared, path):
    answer = shared.get(path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (publish(".."), 400),
        (publish("../../etc/passwd"), 404),
        (publish("..%2F..%2Fetc%2Fpasswd"), 404),
        (publish("%2e%2e"), 400),
        (publish("%00"), 400),
        (publish("<script>"), 400),
        (publish("a" * 81), 400),
        (publish("a%20b"), 400),
        (publish("%F0%9F%98%80"), 400),
        ("/nosuch", 404),
        ("/api/runs", 405),
    ],
)
def test_names_that_are_paths_or_worse_are_refused(shared, path, status):
    headers = [("Host", "localhost"), ("Content-Type", "application/json")]
    assert raw(shared, "POST", path, headers, GOOD)[0] == status


def test_there_is_nothing_else_to_get(shared):
    for path in ("/watching.py", "/../watching.py", "/%2e%2e/server.py", "/page/", "/docs"):
        assert raw(shared, "GET", path, [("Host", "localhost")])[0] == 404
    for name in ("", "nosuch", "../x", "<b>"):
        answer = shared.get("/api/run", name=name)
        assert (answer.status_code, answer.text) == (404, "no such run")


# -- people who mean harm --------------------------------------------------------------------------


def test_hostile_posts_are_refused_while_a_good_client_is_answered(tmp_path):
    """Huge, malformed, NaN, path-like names, HTML, wrong types, and connections without an end."""
    with Server(tmp_path / "runs", *CRITERIA) as server:
        train(server, run="good")
        process = psutil.Process(server.process.pid)
        memory = process.memory_info().rss
        open_ended = never_finishing(server, 100)
        statuses, answers, done = [], [], threading.Event()
        enemies = [threading.Thread(target=attack, args=(server, statuses, i)) for i in range(4)]
        friend = threading.Thread(target=befriend, args=(server, answers, done))
        for thread in (*enemies, friend):
            thread.start()
        for thread in enemies:
            thread.join()
        done.set()
        friend.join()
        grown = process.memory_info().rss - memory
        until(lambda: all(map(hung_up, open_ended)), seconds=15)
        assert len(server.runs()) == 1, "no hostile post made a run"
        assert server.run("good")["checks"] == 7 + len(answers)
        assert server.interrupt() == (0, "")
    assert len(statuses) == HOSTILE
    assert all(400 <= status < 500 for status in statuses), sorted(set(statuses))
    # however busy the machine; whoever waited for the hostile would get none
    assert len(answers) >= 10
    assert set(answers) == {200}
    assert grown < 60 * 2**20


def attack(server, statuses, seed):
    rng = random.Random(seed)
    for _ in range(HOSTILE // 4):
        path, headers, body, chunked = hostile(rng)
        while is_valid(path, headers, body):
            path, headers, body, chunked = hostile(rng)
        statuses.append(sent(server.port, path, headers, body, chunked))


def befriend(server, answers, done):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    while not done.is_set():
        body = json.dumps({"epoch": 7 + len(answers), "loss": 0.5, "val_loss": 1.0})
        connection.request("POST", publish("good"), body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        answers.append(answer.status)
    connection.close()


def never_finishing(server, count):
    """Connections that say nothing, half a head, or half a body."""
    beginnings = [
        b"",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nX: ",
        f"POST {publish()} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\n\r\n{".encode(),
        b"GET /plotly.min.js HTTP/1.1\r\nHost: localhost\r\n",
    ]
    made = []
    for i in range(count):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(beginnings[i % len(beginnings)])
        connection.setblocking(False)
        made.append(connection)
    return made


def hung_up(connection):
    """Whether the server has closed the connection; then so does this side."""
    if connection.fileno() < 0:
        return True
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    connection.close()
    return True

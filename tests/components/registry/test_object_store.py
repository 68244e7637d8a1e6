"""Conditional writes of an object store, and the refusal of a store that does not keep them."""

import threading

import pytest
import store_kit

from components.registry import object_store
from components.registry.object_store import Conflict, ObjectStore, StoreError


def test_an_object_is_made_once_and_the_same_content_is_no_conflict(store):
    store.create("a/b", b"first")
    store.create("a/b", b"first")  # as after an answer that was lost
    with pytest.raises(Conflict, match=r"Received: s3://bucket/desk/a/b is another one"):
        store.create("a/b", b"second")
    assert store.read("a/b").data == b"first"


def test_an_object_is_replaced_only_against_what_was_read(store):
    store.create("a", b"first")
    etag = store.read("a").etag
    store.replace("a", b"second", etag)
    with pytest.raises(Conflict):
        store.replace("a", b"third", etag)
    store.replace("a", b"second", etag)  # written already: an answer that was lost
    with pytest.raises(Conflict):
        store.replace("missing", b"x", etag)
    assert store.read("a").data == b"second"
    assert store.read("missing") is None


def test_of_many_writers_one_wins_and_every_other_is_told(store):
    store.create("pointer", b"0")
    etag, ready, won, lost = store.read("pointer").etag, threading.Barrier(16), [], []

    def write(number: int) -> None:
        mine = ObjectStore(store.uri)
        ready.wait()
        try:
            mine.replace("pointer", f"writer {number}".encode(), etag)
            won.append(number)
        except Conflict:
            lost.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 15)
    assert store.read("pointer").data == f"writer {won[0]}".encode()


def test_an_unchanged_object_is_not_read_again(store):
    store.create("a", b"first")
    first = store.read("a")
    assert store.changed("a", first.etag) is None
    store.replace("a", b"second", first.etag)
    assert store.changed("a", first.etag).data == b"second"
    store.remove(["a"])
    with pytest.raises(StoreError, match=r"desk/a is gone"):
        store.changed("a", first.etag)


def test_objects_are_listed_below_a_folder_downloaded_and_removed(store, tmp_path):
    for key in ("versions/1/a", "versions/1/b/c", "versions/11/a"):
        store.create(key, key.encode() * 1000)
    assert set(store.keys("versions/1")) == {"versions/1/a", "versions/1/b/c"}
    assert store.download("versions/1/b/c", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"versions/1/b/c" * 1000
    with pytest.raises(StoreError, match="must be there to be read"):
        store.download("versions/2/a", tmp_path / "d")
    store.remove(["versions/1/a", "versions/1/never"])
    assert set(store.keys("versions")) == {"versions/1/b/c", "versions/11/a"}


def test_a_store_that_honours_conditions_passes_once_a_process_and_keeps_nothing(s3, store):
    object_store.check_conditional_writes(store.uri)
    asked = len(s3.asked)
    object_store.check_conditional_writes(store.uri)
    assert len(s3.asked) == asked
    assert store.keys("") == {}


def test_a_store_that_ignores_conditions_is_refused(s3, monkeypatch):
    with store_kit.heedless() as (address, objects):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        for _ in range(2):  # a refusal is not remembered as a success
            with pytest.raises(
                StoreError, match=r"against If-None-Match: \* and If-Match\. Nothing was published\. Use a"
            ):
                object_store.check_conditional_writes("s3://bucket/desk")
        assert objects == {}


@pytest.mark.parametrize("header", ["HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"])
def test_a_store_that_ignores_one_of_both_conditions_is_refused(s3, monkeypatch, header):
    app = s3.app
    monkeypatch.setattr(s3, "app", lambda environ, start: (environ.pop(header, None), app(environ, start))[1])
    with pytest.raises(StoreError, match=f"against {header[5:].title().replace('_', '-')}"):
        object_store.check_conditional_writes("s3://bucket/desk")


def test_a_store_that_is_away_or_has_no_bucket_is_named(s3, store):
    with pytest.raises(StoreError, match=r"Received: read s3://another/desk/a: .*NoSuchBucket"):
        ObjectStore("s3://another/desk").read("a")
    with pytest.raises(StoreError, match=r"Received: write s3://another/desk/"):
        object_store.check_conditional_writes("s3://another/desk")
    s3.away, messages = True, set()
    for _ in range(2):
        with pytest.raises(
            StoreError, match=r"the object store must answer. Received: read s3://bucket/desk/a: "
        ) as raised:
            store.read("a")
        messages.add(str(raised.value))
    assert len(messages) == 1  # a log that writes what changed writes it once


@pytest.mark.parametrize(
    "uri", ["bucket/desk", "file:///tmp/x", "s3://", "s3://b/../c", "http://b/c", "s3://b/c d", "s3://b//c"]
)
def test_what_is_no_address_of_a_store_is_refused(uri):
    with pytest.raises(StoreError, match=r"a store must be an address such as s3://bucket/folder"):
        ObjectStore(uri)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(StoreError) as refused:
        ObjectStore("s3://me:geheim@bucket/desk")
    assert "geheim" not in str(refused.value)


def test_a_profile_gives_the_credentials(s3, monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text("[desk]\naws_access_key_id = fromprofile\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "desk")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    app, signed = s3.app, []
    monkeypatch.setattr(
        s3, "app", lambda environ, start: (signed.append(environ.get("HTTP_AUTHORIZATION", "")), app(environ, start))[1]
    )
    ObjectStore("s3://bucket/desk").create("a", b"x")
    assert "Credential=fromprofile/" in signed[-1]

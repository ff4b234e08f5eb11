from __future__ import annotations

from ovn_chassis import command, identity


def test_a_node_is_always_the_same_and_no_other():
    assert identity("node-1") == identity("node-1")
    assert identity("node-1")["system-id"] != identity("node-2")["system-id"]


def test_all_is_set_and_removed_in_one_transaction_with_values_quoted():
    words = command("unix:/db.sock", {"ovn-remote": "ssl:a:1,ssl:b:1", "hostname": "n"}, ["ovn-cms-options"])
    start = words.index("set")
    assert words[start:] == [
        *["set", "Open_vSwitch", ".", 'external_ids:hostname="n"', 'external_ids:ovn-remote="ssl:a:1,ssl:b:1"'],
        *["--", "remove", "Open_vSwitch", ".", "external_ids", "ovn-cms-options"],
    ]


def test_nothing_is_removed_where_nothing_must_be_absent():
    assert "remove" not in command("unix:/db.sock", {"hostname": "n"}, [])

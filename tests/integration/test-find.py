#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-find.py TBSYNCCTL TBSYNCD: what libvirt has on the peers decides whom a hook asks first, and no more than that."""

import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]
from ctl_tap import equal, main  # noqa: E402
from hosts import GUEST_UUID, Lab, await_that, enter_namespace, free_port  # noqa: E402

ALLOWED = (0, [])


def three_hosts(lab, uri_of_gamma):
    """alpha, which the guest leaves, gamma, which does not have it, and beta, whose hook looks for it."""
    ports = {name: free_port() for name in ("alpha", "beta", "gamma")}
    lab.pki.issue("gamma")
    to_beta = {"beta": ports["beta"]}
    alpha = lab.host("alpha", ports["alpha"], to_beta, uri=lab.test_uri(True))
    alpha.has_leaving_guest()
    gamma = lab.host("gamma", ports["gamma"], to_beta, uri=uri_of_gamma)
    beta = lab.host("beta", ports["beta"], {name: ports[name] for name in ("alpha", "gamma")}, environment={"G_MESSAGES_DEBUG": "tbsyncd"})
    for host in (alpha, gamma, beta):
        host.start()
    for name in ("alpha", "gamma"):
        beta.await_linked(name)
    alpha.await_log("connected to libvirt")
    return alpha, beta, gamma


def asks_first(beta, how_many):
    """What peers tell comes some time after their libvirt is there: asked until it has."""
    line = f"guest {GUEST_UUID}: {how_many} peers may have it"

    def says_so():
        before = beta.log().count(line)
        equal(beta.hook(), ALLOWED)
        return beta.log().count(line) > before

    await_that(f"beta says: {line}", says_so)


def test_peer_whose_libvirt_does_not_have_the_guest_is_not_asked_first():
    with Lab() as lab:
        _, beta, _ = three_hosts(lab, "test:///default")
        asks_first(beta, "1 of 2")


def test_peer_without_libvirt_is_asked_as_it_may_have_any_guest():
    with Lab() as lab:
        _, beta, gamma = three_hosts(lab, "test:///default")
        asks_first(beta, "1 of 2")
        gamma.kill()
        gamma.config.write_text(gamma.config.read_text(encoding="utf-8").replace("URI=test:///default", "URI="), encoding="utf-8")
        gamma.start()
        beta.await_linked("gamma")
        asks_first(beta, "2 of 2")


if __name__ == "__main__":
    enter_namespace()
    sys.exit(main("find", sys.modules[__name__]))

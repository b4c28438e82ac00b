"""A worker's NetworkPolicy lets it reach every address that its own configuration leads to, and no other ports."""

import ipaddress
import re
import unittest
import urllib.parse

import yaml

from chart import cases, config_text, containers, of_kind, render, source, worker_of

# As the code has them, where a configuration leaves them out.
AUTHORITY, API = "https://login.microsoftonline.com", "https://manage.office.com"

ON = {"networkPolicy": {"enabled": True}}


def addresses(thing, key=""):
    """Every address in a configuration, with those that are left out; a scope only names an audience."""
    if isinstance(thing, list):
        return [found for one in thing for found in addresses(one)]
    if isinstance(thing, str):
        return [thing] if key != "scope" and re.match("https?://", thing) else []
    if not isinstance(thing, dict):
        return []
    found = [one for inner, below in thing.items() for one in addresses(below, inner)]
    if key == "entra" and "authority" not in thing:
        found.append(AUTHORITY)
    if thing.get("kind") == "management-api" and "api" not in thing:
        found.append(API)
    return found


def endpoint(address):
    """Its host and port."""
    parts = urllib.parse.urlsplit(address)
    return parts.hostname, parts.port or {"https": 443, "http": 80}[parts.scheme]


def endpoints(objects, name):
    """Every host and port that a worker has to reach, but for DNS: of its configuration, and of its environment."""
    config = yaml.safe_load(config_text(objects, name))
    brokers = [endpoint(f"http://{broker.strip()}") for broker in config["log"]["kafka"]["bootstrap"].split(",")]
    environment = containers(of_kind(objects, "StatefulSet")[name])[0]["env"]
    proxies = [one["value"] for one in environment if one["name"].lower().endswith("_proxy") and one["name"].lower() != "no_proxy"]
    return brokers + [endpoint(address) for address in addresses(config) + proxies]


def lets_out(policy, host, port):
    """Whether a policy has a rule for this. Where a rule says to whom, a name may be there; a number must be."""
    def has_port(rule):
        ports = rule.get("ports")
        return ports is None or any(one["port"] <= port <= one.get("endPort", one["port"]) for one in ports
                                    if one.get("protocol", "TCP") == "TCP")

    def has_host(rule):
        try:
            number = ipaddress.ip_address(host)
        except ValueError:
            return True
        blocks = [peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer]
        return "to" not in rule or any(
            number in ipaddress.ip_network(block["cidr"])
            and not any(number in ipaddress.ip_network(hole) for hole in block.get("except", [])) for block in blocks)
    return any(has_port(rule) and has_host(rule) for rule in policy["spec"]["egress"])


def ports(policy):
    """The ports of each rule after DNS."""
    return [[port["port"] for port in rule["ports"]] for rule in policy["spec"]["egress"]][1:]


class Network(unittest.TestCase):
    """Policies, switched on."""

    def all_let_out(self, objects):
        """The law; how many addresses it was held against."""
        count = 0
        policies = of_kind(objects, "NetworkPolicy")
        self.assertEqual(sorted(policies), sorted(of_kind(objects, "ConfigMap")))
        for name, policy in policies.items():
            for host, port in endpoints(objects, name):
                count += 1
                self.assertTrue(lets_out(policy, host, port), f"{name} cannot reach {host}:{port}: {policy['spec']['egress']}")
        return count

    def test_every_worker_reaches_what_its_configuration_names(self):
        for case in cases():
            with self.subTest(case):
                self.assertGreater(self.all_let_out(render(cases()[case], ON)), 3)

    def test_addresses_of_every_form_are_reached(self):
        registry = {"url": "http://[fd00::7]:8081/apis"}
        secret = {"file": "/run/secrets/weir/splunk/token"}
        values = {
            "kafka": {"bootstrap": "[fd00::1]:19093, 192.0.2.7:29093", "registry": registry},
            "secrets": {"splunk": "weir-splunk"},
            "defaults": {"env": {"HTTPS_PROXY": "http://proxy.example:3128/", "https_proxy": "proxy.example:3129", "NO_PROXY": "a:1"}},
            "workers": {"sink-a": {"config": {"kind": "splunk_hec", "url": "http://splunk.example/x", "token": secret}, "env": {}},
                        "sink-b": {"config": {"kind": "splunk_hec", "url": "https://192.0.2.9:9443", "token": secret}}},
        }
        objects = render(cases()["default"], ON, values)
        policies = of_kind(objects, "NetworkPolicy")
        self.assertEqual(ports(policies["weir-sink-a"]), [[19093, 29093], [80, 8081]])
        self.assertEqual(ports(policies["weir-sink-b"]), [[19093, 29093], [3128, 3129, 8081, 9443]])
        for host, port in [("fd00::1", 19093), ("192.0.2.7", 29093), ("fd00::7", 8081), ("192.0.2.9", 9443)]:
            self.assertTrue(lets_out(policies["weir-sink-b"], host, port), (host, port))
        self.assertFalse(lets_out(policies["weir-sink-b"], "169.254.169.254", 8081), "credentials of the node")

    def test_nothing_else_is_open(self):
        policies = of_kind(render(cases()["three-sinks"]), "NetworkPolicy")
        found = {worker_of(policy): ports(policy) for policy in policies.values()}
        self.assertEqual(found, {
            "ingest": [[9093], [443]],      # the folder is mounted; tokens for the brokers come from elsewhere
            "enrich": [[9093], [443]],
            "detect": [[9093], [443]],
            "sink-splunk": [[9093], [443], [8088]],
            "sink-sentinel": [[9093], [443]],
            "sink-workspace": [[9093], [443]],
        })
        plain = of_kind(render(cases()["default"], ON), "NetworkPolicy")
        self.assertEqual({worker_of(policy): ports(policy) for policy in plain.values()},
                         {"ingest": [[9092], [443]], "enrich": [[9092]], "detect": [[9092]]})

    def test_a_rule_of_a_worker_says_where_its_port_leads_and_the_others_stay(self):
        policy = of_kind(render(cases()["three-sinks"]), "NetworkPolicy")["audit-sink-splunk"]
        self.assertEqual(policy["spec"]["egress"][-1], {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 8088}]})
        to = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
        for rule in [{"port": 443}, {"port": 400, "endPort": 500}]:
            own = {"workers": {"ingest": {"egress": [{"to": to, "ports": [rule]}]}}}
            policy = of_kind(render(cases()["default"], ON, own), "NetworkPolicy")["weir-ingest"]
            self.assertEqual(policy["spec"]["egress"][-1], {"to": to, "ports": [rule]})
            self.assertEqual(len(policy["spec"]["egress"]), 3, "DNS, the brokers, and this")
        udp = {"workers": {"ingest": {"egress": [{"to": to, "ports": [{"port": 443, "protocol": "UDP"}]}]}}}
        policy = of_kind(render(cases()["default"], ON, udp), "NetworkPolicy")["weir-ingest"]
        self.assertEqual(ports(policy), [[9092], [443], [443]], "a port of another protocol leads nowhere of ours")

    def test_a_proxy_has_the_port_of_its_own_kind(self):
        for proxy, port in [("HTTPS://proxy.example", 443), ("http://proxy.example", 80), ("socks5h://proxy.example", 1080)]:
            env = {"workers": {"enrich": {"env": {"ALL_PROXY": proxy}}}}
            policy = of_kind(render(cases()["default"], ON, env), "NetworkPolicy")["weir-enrich"]
            self.assertEqual(ports(policy), [[9092], [port]], proxy)

    def test_what_the_code_fills_in_is_what_is_expected_here(self):
        for path, constant, address in [("runtime/src/entra/config.rs", "AUTHORITY", AUTHORITY),
                                        ("ingest/src/sources/management_api/config.rs", "API", API)]:
            self.assertIn(f'const {constant}: &str = "{address}";', source(path))


if __name__ == "__main__":
    unittest.main()

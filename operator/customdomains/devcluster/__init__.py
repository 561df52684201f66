"""The embedded control plane: everything the demo and the tests run against.

Real programs, none of them faked: etcd and kube-apiserver, the ACME servers Pebble and step-ca,
and a customer's DNS server. Each runs on the loopback interface with its files in one run
directory, and none outlives the command that started it.

Nothing of the operator imports this package; it imports nothing of the operator but `model`.
"""

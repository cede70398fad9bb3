"""Two small services for the tests of the flow: one writes events, the other keeps what it applied."""

from dunning_common.migrate import ServiceSchema

WRITER = ServiceSchema(package="tests.integration.common.flow", schema="flow_writer")
READER = ServiceSchema(package="tests.integration.common.flow", schema="flow_reader")

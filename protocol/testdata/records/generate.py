"""Writes the golden files beside it: one set of records, as real clients encode it.

Run it once in an environment of each client; it writes the files of the client that it finds:

    pip install kafka-python==0.9.5 python-snappy six           # also 2.0.6 and 3.0.12, with
    pip install pykafka==2.8.0 lz4 xxhash zstandard crc32c      # the codecs; pykafka alone
    python generate.py

A file is named after client, version, magic and codec. What it holds is written down again in
../../tests/records_golden.rs. Gzip puts the time of day into its header, so a second run differs in those bytes.
"""

import importlib.metadata
import importlib.util
import pathlib
import sys
import types

HERE = pathlib.Path(__file__).parent
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

# Timestamp, key, value, headers. The long value makes every codec worth its while.
RECORDS = [
    (1500000000000, b"k1", b"hello", [("h1", b"x"), ("h1", None), ("", b"")]),
    (1500000000001, None, b"", []),
    (1499999999000, b"", None, []),
    (1500000000500, "\u043a\u043b\u044e\u0447".encode(), b"abcdefghij" * 30, [("long", b"y" * 100)]),
]


def write(client, magic, codec, data):
    path = HERE / f"{client}-magic{magic}-{codec}.bin"
    path.write_bytes(bytes(data))
    print(path.name, len(data))


def kafka_python():
    version = importlib.metadata.version("kafka-python")
    if version.startswith("0."):
        kafka_python_oldest(version)
        return
    from kafka.record.default_records import DefaultRecordBatchBuilder
    from kafka.record.legacy_records import LegacyRecordBatchBuilder

    client = f"kafka-python-{version}"
    for magic in (0, 1):
        for codec in range(4):
            builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
            for offset, (timestamp, key, value, _) in enumerate(RECORDS):
                builder.append(offset, timestamp, key, value)
            write(client, magic, CODECS[codec], builder.build())
    for codec in range(5):
        builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 20)
        for offset, (timestamp, key, value, headers) in enumerate(RECORDS):
            builder.append(offset, timestamp, key, value, headers)
        write(client, 2, CODECS[codec], builder.build())
    builder = DefaultRecordBatchBuilder(2, 0, True, 4711, 3, 2147483646, 1 << 20)
    for offset, (timestamp, key, value, headers) in enumerate(RECORDS):
        builder.append(offset, timestamp, key, value, headers)
    write(client, 2, "transactional", builder.build())


def kafka_python_oldest(version):
    # Its package head no longer parses (`async` is a keyword now), but what it imports does.
    package = types.ModuleType("kafka")
    package.__path__ = importlib.util.find_spec("kafka").submodule_search_locations
    sys.modules["kafka"] = package
    from kafka import protocol

    client = f"kafka-python-{version}"
    messages = [protocol.create_message(value, key) for _, key, value, _ in RECORDS]
    pairs = [(value, key) for _, key, value, _ in RECORDS]
    encode = protocol.KafkaProtocol._encode_message_set
    write(client, 0, "none", encode(messages))
    write(client, 0, "gzip", encode([protocol.create_gzip_message(pairs)]))
    write(client, 0, "snappy", encode([protocol.create_snappy_message(pairs)]))


def pykafka():
    from pykafka.protocol.message import Message, MessageSet

    for magic, broker in ((0, "0.9.0"), (1, "0.10.2")):
        for codec in range(4):
            messages = [
                Message(value, partition_key=key, protocol_version=magic, timestamp=timestamp if magic else None)
                for timestamp, key, value, _ in RECORDS
            ]
            messages = MessageSet(compression_type=codec, messages=messages, broker_version=broker)
            data = bytearray(len(messages))
            messages.pack_into(data, 0)
            write("pykafka-2.8.0", magic, CODECS[codec], data)


for make in (kafka_python, pykafka):
    try:
        make()
    except (ImportError, importlib.metadata.PackageNotFoundError) as missing:
        print(missing)

"""The memory as tools: the official client asks the command in a process of its own, by stdio."""

from __future__ import annotations

import base64
from io import BytesIO
import shutil
import sys

import numpy as np
from PIL import Image
import pytest

mcp = pytest.importorskip('mcp', reason='the extra `mcp` is not installed')
anyio = pytest.importorskip('anyio')  # which mcp needs

READING = {'list_objects', 'where', 'history', 'changes', 'ask', 'picture'}
CORRECTING = {'rename_object', 'merge_objects', 'split_object', 'lock_object', 'undo_correction'}
RED, LAMP = 3, 5
LONG = 'x' * 100_000
WRONG = (  # tool, arguments, and what the short error says
    ('where', {}, 'object_id\n  Field required'),
    ('where', {'object_id': 'seven'}, 'valid integer'),
    ('where', {'object_id': 7.5}, 'valid integer'),
    ('where', {'object_id': None}, 'valid integer'),
    ('history', {'object_id': 2**70}, 'expected an object id'),
    ('picture', {'object_id': 999}, 'expected an object id'),
    ('ask', {'question': ['where']}, 'valid string'),
    ('ask', {'question': LONG}, 'at most 500 characters'),
    ('changes', {'when': LONG}, 'expected a time'),
    ('list_objects', {'class_name': LONG}, 'expected a class'),
    ('changes', {'since': 'Tuesday'}, 'since\n  Extra inputs are not permitted'),
    ('list_objects', {'class': 'chair'}, 'class\n  Extra inputs are not permitted'),
    ('forget_object', {'object_id': 1}, 'Unknown tool'),
)


def converse(path, talk, *flags):
    """Start the server of a memory and let a client talk to it."""

    async def session():
        arguments = ['-m', 'rescene4d_ros.cli.main', 'mcp', str(path), *flags]
        server = mcp.StdioServerParameters(command=sys.executable, args=arguments)
        async with mcp.Client(mcp.stdio_client(server)) as client:
            await talk(client)

    anyio.run(session)


def test_an_assistant_reads(home):
    """Every tool answers as the memory does, mistakes are answered, and nothing can be written."""
    before = {file: file.read_bytes() for file in home.rglob('*') if file.is_file()}

    async def talk(client):
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        for tool, arguments, says in WRONG:
            result = await client.call_tool(tool, arguments)
            assert result.is_error, tool
            assert says in result.content[0].text
            assert len(result.content[0].text) < 1000
        assert all(tool.input_schema['additionalProperties'] is False for tool in tools)
        assert all(tool.annotations.read_only_hint and tool.description for tool in tools)

        async def call(tool, **arguments):
            result = await client.call_tool(tool, arguments)
            return result.is_error, result.structured_content or result.content[0]

        _, chairs = await call('list_objects', class_name='chair')
        assert [o['object_id'] for o in chairs['objects']] == [RED, 4]
        assert chairs['objects'][1]['name'] == 'reading chair'
        _, old = await call('list_objects', class_name='lamp', at='visit 1')
        assert [o['object_id'] for o in old['objects']] == [LAMP]
        _, lamp = await call('where', object_id=LAMP)
        assert lamp['objects'][0]['is_gone']
        assert lamp['objects'][0]['gone_since'] == '2026-11-22T10:00:00+01:00'
        _, events = await call('history', object_id=LAMP)
        assert [e['state'] for e in events['events']] == ['PRESENT', *['ABSENT'] * 3]
        _, changes = await call('changes', when='since visit 2')
        assert [c['kind'] for c in changes['changes']] == ['MOVED', 'ADDED']
        _, changes = await call('changes', object_id=RED)
        assert [c['kind'] for c in changes['changes']] == ['MOVED']
        _, answer = await call('ask', question='where is the red chair?')
        assert answer['outcome'] == 'answered'
        assert [o['object_id'] for o in answer['objects']] == [RED]
        is_error, picture = await call('picture', object_id=RED)
        assert (is_error, picture.mime_type) == (False, 'image/png')
        pixels = np.asarray(Image.open(BytesIO(base64.b64decode(picture.data))).convert('RGB'))
        is_red = (pixels[..., 0] > 120) & (pixels[..., 1:] < 70).all(-1)
        assert is_red.mean() > 0.01
        for tool, arguments, says in (
            ('where', {'object_id': 99}, 'no object 99'),
            ('history', {'object_id': 99}, 'no object 99'),
            ('changes', {'when': 'banana'}, 'expected a time'),
            ('list_objects', {'class_name': 'unicorn'}, 'expected a class'),
            ('rename_object', {'object_id': 3, 'name': 'x'}, 'Unknown tool'),
        ):
            _, told = await call(tool, **arguments)
            assert says in (told['text'] if isinstance(told, dict) else told.text)

    converse(home, talk, '--time-zone', 'Europe/Berlin')
    assert {file: file.read_bytes() for file in home.rglob('*') if file.is_file()} == before


def test_an_assistant_corrects_where_it_may(home, tmp_path):
    """Corrections are stored, and undone; errors leave the memory as it is."""
    shutil.copytree(home, tmp_path / 'copy')

    async def talk(client):
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING | CORRECTING

        async def say(tool, **arguments):
            result = await client.call_tool(tool, arguments)
            return result.is_error, result.content[0].text

        async def find(name):
            result = await client.call_tool('ask', {'question': f'where is "{name}"'})
            return [o['object_id'] for o in result.structured_content['objects']]

        assert await say('rename_object', object_id=RED, name='throne') == (
            False,
            "object 3 is called 'throne'",
        )
        assert await find('throne') == [RED]
        await say('lock_object', object_id=RED)
        is_error, text = await say('merge_objects', one=RED, other=4)
        assert is_error
        assert 'locked' in text
        await say('undo_correction')
        await say('undo_correction')
        assert await find('throne') == []

    converse(tmp_path / 'copy', talk, '--allow-corrections')

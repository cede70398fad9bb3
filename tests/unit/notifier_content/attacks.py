"""Texts that somebody might save as a template to break out, to read along, or to run for ever.

`ESCAPES` are the known ways out of template sandboxes (Jinja2, Twig, Freemarker, Velocity, ERB,
Smarty, Mako, LiquidJS, python-liquid) as one would try them here; `LITERALS` are those that are no
Liquid and must come out as they went in; `BOMBS` want time or memory.
"""

from __future__ import annotations

from collections.abc import Iterator

ESCAPES: tuple[str, ...] = (
    # Python's object graph.
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ sender.__class__ }}",
    "{{ sender['__class__'] }}",
    "{{ sender.__init__.__globals__ }}",
    "{{ sender.name.__class__.__base__.__subclasses__ }}",
    "{{ demanded.lines.__class__ }}",
    "{{ demanded.lines.append }}",
    "{{ demanded.lines[0].__dict__ }}",
    "{{ demanded.lines.first.__class__ }}",
    "{{ demanded.total.__reduce__ }}",
    "{{ date.__class__.fromtimestamp }}",
    "{{ [].__class__ }}",
    "{{ {}.__class__ }}",
    "{{ ().__class__ }}",
    "{{ self }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ namespace.__init__.__globals__.os }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ config.items() }}",
    "{{ config.__class__.from_envvar }}",
    "{{ request.application.__globals__ }}",
    "{{ request['application'] }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__.current_app }}",
    "{{ settings.SECRET_KEY }}",
    "{{ env.loader }}",
    "{{ context }}",
    "{{ tenant }}",
    "{{ contacts.emails }}",
    "{{ forloop.parentloop }}",
    "{% for x in demanded.lines %}{{ forloop.__class__ }}{% endfor %}",
    # Filters that reach, format or decode.
    "{{ sender.name | attr: '__class__' }}",
    "{{ sender | map: '__class__' }}",
    "{{ demanded.lines | map: 'number' | join: ',' }}",
    "{{ demanded.lines | where: 'number', 'x' }}",
    "{{ demanded.lines | group_by: 'level' }}",
    "{{ demanded.lines | where_exp: 'x', 'x.number' }}",
    "{{ demanded.lines | sort: '__class__' }}",
    "{{ '%s' | format: sender }}",
    "{{ '{0.__class__}' | format: sender }}",
    "{{ 'aWQ=' | base64_decode }}",
    "{{ 'x' | safe }}",
    "{{ 'x' | raw }}",
    "{{ sender | json }}",
    "{{ sender | inspect }}",
    "{{ 'file:///etc/passwd' | file_url }}",
    "{{ 'x' | reject: '__class__' }}",
    "{{ ['id'] | filter: 'system' }}",
    "{{ 'now' | date: '%Y' }}",
    # Tags that load, run or hide.
    "{% include '/etc/passwd' %}",
    "{% include sender.name %}",
    "{% render '../../letter/letter.typ' %}",
    "{% extends 'layout' %}",
    "{% layout 'layout' %}",
    "{% import os %}",
    "{% from 'os' import popen %}",
    "{% python %}import os{% endpython %}",
    "{% php %}system('id');{% endphp %}",
    "{% set x = cycler %}",
    "{% with x = config %}{% endwith %}",
    "{% call a() %}{% endcall %}",
    "{% macro a() %}{% endmacro %}",
    "{% block a %}{% endblock %}",
    "{% debug %}",
    "{% load static %}",
    "{% raw %}{{ sender }}{% endraw %}",
    "{% liquid\n echo sender\n%}",
    "{% echo sender %}",
    "{% capture sender %}x{% endcapture %}",
    "{% increment sender %}",
    "{% cycle sender, sender %}",
    "{% tablerow x in demanded.lines %}{% endtablerow %}",
    "{%- assign sender = self -%}",
    "{% assign x = demanded.lines | concat: demanded.lines %}",
)

LITERALS: tuple[str, ...] = (
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "<%= File.open('/etc/passwd').read %>",
    "*{7*7}",
    "@(1+2)",
    "${T(java.lang.Runtime).getRuntime().exec('id')}",
    "#set($x = 7 * 7)$x",
    "<#assign x = 'freemarker.template.utility.Execute'?new()>",
    "[[${7*7}]]",
    "~{fragment}",
    "$(id)",
    "`id`",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '#import "letter.typ"',
    '#read("letter.typ")',
    '=HYPERLINK("http://a.example")',
    '<mj-include path="/etc/passwd" />',
    "&#60;b&#62;",
)


def bombs() -> Iterator[str]:
    """Two hundred ways to want too much, each in a small and in several larger sizes."""
    for size in (10, 100, 1_000, 30_000):
        yield "{{ (1.." + "9" * min(size, 300) + ") | join: ',' }}"
        yield "{% for x in (1.." + "9" * min(size, 300) + ") %}x{% endfor %}"
        yield "{{ " + "sender." * size + "name }}"
        yield "{{ " + "(" * size + "sender" + ")" * size + " }}"
        yield "{{ " + "[" * size + "sender" + "]" * size + " }}"
        yield "{% if " + "sender and " * size + "sender %}x{% endif %}"
        yield "{% if " + "not " * size + "sender %}x{% endif %}"
        yield "{% if true %}" * size + "{% endif %}" * size
        yield "{% for x in demanded.lines %}" * size + "x" + "{% endfor %}" * size
        yield "{% for x in demanded.lines %}x{% endfor %}" * size
        yield "{{ sender.name" + " | upcase" * size + " }}"
        yield "{{ sender.name" + " | append: sender.name" * size + " }}"
        yield "{{ sender.name" + " | replace: 'e', 'eeeeeeeeee'" * size + " }}"
        yield "{{ sender.name | shorten: " + "9" * min(size, 400) + " }}"
        yield "{{ demanded.count | plural: " + "'a', " * size + "'b' }}"
        yield "{{ '" + "a" * size + "' | upcase }}"
        yield "{{" * size
        yield "{%" * size
        yield "}}" * size
        yield "{{ '" * size
        yield '{{ "' * size + '" }}' * size
        yield "{% comment %}" * size
        yield "{% comment %}" * size + "{% endcomment %}" * size
        yield "{% case 1 %}" + "{% when 1 %}x" * size + "{% endcase %}"
        yield "{% case 1 %}{% when " + "1, " * size + "1 %}x{% endcase %}"
        yield "{% case 1 %}{% when " + "1 or " * size + "1 %}x{% endcase %}"
        yield "{% assign x = 'aa' %}" + "{% assign x = x | append: x %}" * size
        yield "{% assign x = demanded.lines %}" * size
        yield "{% unless false %}" * size + "{% endunless %}" * size
        yield "{% if false %}" + "{% elsif false %}" * size + "{% endif %}"
        yield "**" * size
        yield "**a" * size
        yield "- " * size
        yield "- a\n" * size
        yield "\n\n" * size
        yield "\n \n" * size + "x"
        yield " \t" * size + "x"
        yield "a" * size
        yield "é" * size
        yield "{{ sender.name }}" * size
        yield "{% for x in demanded.lines %}" + "{{ x.number }}" * size + "{% endfor %}"
        yield (
            "{% for x in demanded.lines %}{% for y in demanded.lines %}"
            + "{{ y.number }}" * size
            + "{% endfor %}{% endfor %}"
        )
        yield "{{ demanded.lines" + "[0]" * size + " }}"
        yield "{{ demanded.lines[" * size + "0" + "]" * size + " }}"
        yield "{# " * size
        yield "{{ 0." + "0" * size + "1 }}"
        yield "{{ " + "9" * size + " | number }}"
        yield "{{ -" + "9" * size + " }}"
        yield "{{ sender.name | default: " + "sender.name | default: " * size + "'x' }}"
        yield "{{ date | date: '" + "%Y" * size + "' }}"
        yield "\x00" * size
        yield "\u202e" * size + "{{ sender.name }}"


BOMBS: tuple[str, ...] = tuple(bombs())

"""HTML pages, taken apart by Python's own parser."""

import collections
import re
from html.parser import HTMLParser

VOID = ("img", "meta")


class Page(HTMLParser):
    """A page taken apart. Every element must be closed in order, every id be there once, every reference lead to one.

    Attributes:
      tags: {name of an element: how many}.
      images: attributes of the pictures.
      figures: values of the `data` elements.
      text: what a reader sees, without the style, blanks as single spaces.
    """

    def __init__(self, html):
        super().__init__()
        self._open, self._ids, self._references, self._texts = [], [], [], []
        self.tags, self.images, self.figures = collections.Counter(), [], []
        self.feed(html)
        self.close()
        assert html.startswith("<!DOCTYPE html>\n<html") and self._open == []
        assert len(set(self._ids)) == len(self._ids) and set(self._references) <= set(self._ids)
        self.references = set(self._references)
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag, attrs):
        self._take(tag, dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self._open  # elsewhere HTML reads it as a start
        self._take(tag, dict(attrs))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, self.getpos()
        if tag not in ("a", "strong", "span", "data", "code"):
            self._texts.append(" ")

    def handle_data(self, data):
        if "style" not in self._open:
            self._texts.append(data)
        else:
            assert "url(" not in data and "@import" not in data

    def _take(self, tag, attrs):
        self.tags[tag] += 1
        assert not any(name.startswith("on") for name in attrs)
        if "id" in attrs:
            self._ids.append(attrs["id"])
        for name in ("src", "href", "xlink:href"):
            if name in attrs:
                assert attrs[name].startswith(("#", "data:image/"))
                if attrs[name].startswith("#"):
                    self._references.append(attrs[name][1:])
        for value in attrs.values():
            self._references += re.findall(r"url\(#(.*?)\)", value or "")
        if tag == "img":
            self.images.append(attrs)
        if tag == "data":
            self.figures.append(float(attrs["value"]))

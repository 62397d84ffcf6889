#!/usr/bin/python3
"""The parts of a desktop that the program talks to over the session bus, for tests.

It shows notifications (org.freedesktop.Notifications) and has a tray (org.kde.StatusNotifierWatcher with a host): it remembers
what it is given, and does with it what a user would do. Commands are JSON objects, one a line, on standard input:

  {"id": 1, "do": "press", "notification": 3, "action": "accept"}   a button, or the card itself: "default"
  {"id": 2, "do": "dismiss", "notification": 3}                     the user closes it
  {"id": 3, "do": "menu"}                                           the tray's menu
  {"id": 4, "do": "choose", "labels": ["Lin: a.iso, 4 MB", "Help"]} an entry of it, by its way through the submenus

On standard output, one JSON object a line: {"ready": true}; {"answer": ID, ...} with "error" where it could not be done; and
what happens: {"notified": {...}}, {"closed": ID}, {"tray": NAME}, {"tray_gone": NAME}. Ends with its standard input.
"""
import json
import os
import sys

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NOTIFICATIONS, WATCHER = "org.freedesktop.Notifications", "org.kde.StatusNotifierWatcher"
ITEM, MENU, PROPERTIES = "org.kde.StatusNotifierItem", "com.canonical.dbusmenu", dbus.PROPERTIES_IFACE
# Reasons of NotificationClosed, by the Desktop Notifications Specification.
DISMISSED, CLOSED_BY_PROGRAM = 2, 3
ANSWER_S = 5  # that the program may take to answer the tray


def tell(**what):
    print(json.dumps(what), flush=True)


class Unable(Exception):
    """What was ordered cannot be done."""


class Notifications(dbus.service.Object):
    """Shows notifications to nobody."""

    def __init__(self, bus):
        super().__init__(bus, "/org/freedesktop/Notifications")
        self.shown, self.last = set(), 0

    @dbus.service.method(NOTIFICATIONS, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, replaces, icon, title, body, actions, hints, timeout):
        self.last = int(replaces) or self.last + 1
        self.shown.add(self.last)
        tell(notified={"id": self.last, "app": str(app), "title": str(title), "body": str(body),
                       "actions": dict(zip(map(str, actions[::2]), map(str, actions[1::2])))})
        return self.last

    @dbus.service.method(NOTIFICATIONS, in_signature="u")
    def CloseNotification(self, number):
        self.close(int(number), CLOSED_BY_PROGRAM)

    @dbus.service.method(NOTIFICATIONS, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "body-markup", "persistence"]

    @dbus.service.method(NOTIFICATIONS, out_signature="ssss")
    def GetServerInformation(self):
        return "desk", "tests", "1", "1.2"

    @dbus.service.signal(NOTIFICATIONS, signature="uu")
    def NotificationClosed(self, number, reason):
        pass

    @dbus.service.signal(NOTIFICATIONS, signature="us")
    def ActionInvoked(self, number, action):
        pass

    def close(self, number, reason):
        if number in self.shown:
            self.shown.discard(number)
            self.NotificationClosed(number, reason)
            tell(closed=number)

    def press(self, number, action):
        self.must_be_shown(number)
        self.ActionInvoked(number, action)
        self.close(number, DISMISSED)  # as desktops do it

    def dismiss(self, number):
        self.must_be_shown(number)
        self.close(number, DISMISSED)

    def must_be_shown(self, number):
        if number not in self.shown:
            raise Unable(f"there is no notification {number}; there are: {sorted(self.shown)}")


class Tray(dbus.service.Object):
    """A tray that knows which icons there are, and asks for a menu when one is wanted."""

    def __init__(self, bus):
        super().__init__(bus, "/StatusNotifierWatcher")
        self.bus, self.items = bus, {}

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, service, sender):
        # Either a name on the bus, or the path of the item at whoever registers it.
        name, path = (sender, service) if service.startswith("/") else (service, "/StatusNotifierItem")
        self.items[str(name)] = str(path)
        self.bus.watch_name_owner(name, lambda owner: owner or self.is_gone(str(name)))
        self.StatusNotifierItemRegistered(service)
        tell(tray=str(name))

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, service):
        pass

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        items = [name + path for name, path in self.items.items()]
        return {"RegisteredStatusNotifierItems": dbus.Array(items, signature="s"),
                "IsStatusNotifierHostRegistered": True, "ProtocolVersion": dbus.Int32(0)}

    @dbus.service.signal(WATCHER, signature="s")
    def StatusNotifierItemRegistered(self, service):
        pass

    @dbus.service.signal(WATCHER, signature="s")
    def StatusNotifierItemUnregistered(self, service):
        pass

    def is_gone(self, name):
        if self.items.pop(name, None):
            self.StatusNotifierItemUnregistered(name)
            tell(tray_gone=name)

    def menu(self, then):
        """Gets the menu of the one icon; calls `then` with how to reach it and its root, or with an Unable."""
        if len(self.items) != 1:
            return then(Unable(f"there are {len(self.items)} icons, not one"))
        [(name, path)] = self.items.items()
        failed = lambda error: then(Unable(f"{name}: {error}"))

        def found(menu_path):
            menu = dbus.Interface(self.bus.get_object(name, menu_path, introspect=False), MENU)
            layout = lambda *_: menu.GetLayout(
                0, -1, dbus.Array([], signature="s"), timeout=ANSWER_S, error_handler=failed,
                reply_handler=lambda revision, root: then((menu, root)))
            # Menus that are made when they are opened are made now.
            menu.AboutToShow(0, timeout=ANSWER_S, reply_handler=layout, error_handler=failed)

        item = self.bus.get_object(name, path, introspect=False)
        dbus.Interface(item, PROPERTIES).Get(ITEM, "Menu", timeout=ANSWER_S, reply_handler=found,
                                             error_handler=failed)


def entry(node):
    """An entry of a menu in plain words."""
    number, properties, children = node
    drawn = {"label": str(properties.get("label", "")).replace("_", "", 1),
             "enabled": bool(properties.get("enabled", True)),
             "visible": bool(properties.get("visible", True))}
    if properties.get("type") == "separator":
        drawn["separator"] = True
    if properties.get("toggle-type"):
        drawn["on"] = int(properties.get("toggle-state", -1)) == 1
    return {**drawn, "number": int(number), "entries": [entry(child) for child in children]}


def walk(root, labels):
    """The entry at the end of a way through submenus."""
    here = entry(root)
    for label in labels:
        there = [e for e in here["entries"] if e["visible"] and not e.get("separator")]
        found = [e for e in there if e["label"] == label]
        if len(found) != 1 or not found[0]["enabled"]:
            raise Unable(f"no entry {label!r} can be chosen; there are: {[e['label'] for e in there]}")
        [here] = found
    return here


class Desk:
    def __init__(self):
        bus = dbus.SessionBus(mainloop=DBusGMainLoop())
        self.notifications, self.tray = Notifications(bus), Tray(bus)
        # Names are taken when what stands behind them is there: who waits for a name calls at once.
        self.names = [dbus.service.BusName(name, bus, do_not_queue=True)
                      for name in (NOTIFICATIONS, WATCHER)]

    def obey(self, order):
        number, kind = order["id"], order["do"]
        try:
            if kind == "press":
                self.notifications.press(order["notification"], order["action"])
            elif kind == "dismiss":
                self.notifications.dismiss(order["notification"])
            elif kind in ("menu", "choose"):
                return self.tray.menu(lambda got: self.with_menu(order, got))
            else:
                raise Unable(f"cannot {kind}")
            tell(answer=number)
        except Unable as error:
            tell(answer=number, error=str(error))

    def with_menu(self, order, got):
        try:
            if isinstance(got, Unable):
                raise got
            menu, root = got
            if order["do"] == "menu":
                return tell(answer=order["id"], entries=entry(root)["entries"])
            chosen = walk(root, order["labels"])
            menu.Event(chosen["number"], "clicked", dbus.Int32(0, variant_level=1), dbus.UInt32(0),
                       timeout=ANSWER_S, reply_handler=lambda *_: tell(answer=order["id"]),
                       error_handler=lambda e: tell(answer=order["id"], error=str(e)))
        except Unable as error:
            tell(answer=order["id"], error=str(error))


def main():
    desk, loop, rest = Desk(), GLib.MainLoop(), b""

    def read(source, condition):
        nonlocal rest
        block = os.read(0, 1 << 16)
        if not block:
            loop.quit()
            return False
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            desk.obey(json.loads(line))
        return True

    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, read)
    tell(ready=True)
    loop.run()


if __name__ == "__main__":
    sys.exit(main())

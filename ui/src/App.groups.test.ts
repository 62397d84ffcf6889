/** Groups, invites and who cannot be reached, as they are clicked. */
import { fireEvent, screen, waitFor, within } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { MockBackend, type MockGroup, type MockWorld } from './backend/mock';
import { en } from './i18n/en';
import { beginAnew, click, gone, openPage, press, shown, type, viewOf } from './testing';
import type { MemberRow, NoWay } from './types';

let engine: MockBackend;

const id = 'k7qxv3mtz2hnd4bwyr6fjcs5pa7elguo3kq7xv3mtz2hnd4bwyrq';
const link = (change: Record<string, string> = {}) =>
  `manyhands://join?${new URLSearchParams({
    v: '1',
    s: 'https://a.example:8470',
    id,
    k: 'AAECAwQFBgcICQoLDA0ODw',
    n: 'Dorm 7',
    ...change,
  })}`;
const out = (peer: string, name: string, why: NoWay): MemberRow => ({
  peer,
  name,
  friend: false,
  reach: { reach: 'no', why },
});
const dorm: MockGroup = { name: 'Dorm 7', server: 'https://a.example:8470' };

async function open(world: MockWorld = {}): Promise<void> {
  engine = new MockBackend(world);
  await openPage(engine);
}

async function goToGroups(): Promise<void> {
  await click('go-friends');
  const tab = await waitFor(() => document.querySelector('input[value=groups]') ?? expect.fail());
  await fireEvent.click(tab);
}
const groups = async () => (await viewOf(engine)).together?.groups ?? [];
const states = () =>
  screen.getAllByTestId('group').map(({ dataset }) => [dataset['name'], dataset['state']]);
/** As the web view does, wherever the keyboard is. */
function paste(text: string, at: Element = document.body): Event {
  const event = new Event('paste', { bubbles: true, cancelable: true });
  Object.assign(event, { clipboardData: { getData: () => text } });
  at.dispatchEvent(event);
  return event;
}

beginAnew();

test('a pasted invite shows what one joins and what others see, and asks once', async () => {
  await open();
  const join = vi.spyOn(engine, 'joinGroup');
  paste(`Come in: ${link()}`);
  const dialog = await shown('join-dialog');
  for (const said of ['Dorm 7', 'https://a.example:8470', 'k7qxv3mt', en.join.sees('Lin')]) {
    expect(dialog.textContent).toContain(said);
  }
  expect(screen.queryByTestId('join-invite')).toBeNull();
  expect(screen.queryByTestId('join-plain')).toBeNull();
  // Whatever was about to be pressed when it came up is no yes.
  await fireEvent.click(screen.getByTestId('join-submit'));
  await fireEvent.submit(dialog.querySelector('form') ?? expect.fail());
  expect(join).not.toHaveBeenCalled();
  await press('join-submit');
  expect(join.mock.calls).toEqual([[link()]]);
  await gone('join-dialog');
  await waitFor(() => expect(states()).toEqual([['Dorm 7', 'connecting']]));
  screen.getByText(en.join.joined('Dorm 7'));
  engine.advance(1500);
  await waitFor(() => expect(states()).toEqual([['Dorm 7', 'online']]));
  screen.getByText(en.groups.nobody);
});

test.each(['text/uri-list', 'text/plain'])('an invite is dropped, as %s', async (type) => {
  await open();
  const event = new Event('drop', { bubbles: true, cancelable: true });
  const getData = (asked: string) => (asked === type ? `${link()}\r\n` : '');
  Object.assign(event, { dataTransfer: { getData } });
  document.body.dispatchEvent(event);
  expect((await shown('join-dialog')).textContent).toContain('Dorm 7');
});

test('an invite is taken where links are typed, and nowhere else while something is asked', async () => {
  await open({ groups: [dorm] });
  await click('add-url');
  const field = screen.getByLabelText(en.add.links);
  expect(paste(`see ${link()}`, field).defaultPrevented).toBe(false);
  expect(paste(link(), field).defaultPrevented).toBe(true);
  await shown('join-dialog');
  await gone('add-form');
  paste(link({ n: 'Other' }));
  expect((await shown('join-dialog')).textContent).not.toContain('Other');
});

test('an invite is typed, and what is wrong with it is said before anything is asked of the engine', async () => {
  await open();
  const join = vi.spyOn(engine, 'joinGroup');
  await goToGroups();
  await click('join-group');
  expect(screen.queryByTestId('join-wrong')).toBeNull();
  const submit = screen.getByTestId<HTMLButtonElement>('join-submit');
  for (const [text, why] of [
    ['https://a.example', 'no-invite'],
    [link({ v: '2' }), 'later-version'],
    [link({ s: 'x' }), 'bad-server'],
  ] as const) {
    await type('join-invite', text);
    expect((await shown('join-wrong')).textContent).toBe(en.join.wrong[why]);
    expect(submit.disabled).toBe(true);
  }
  await type('join-invite', link({ s: 'http://10.8.0.5' }));
  await gone('join-wrong');
  expect(screen.getByTestId('join-facts').textContent).toContain('http://10.8.0.5:8470');
  screen.getByTestId('join-plain');
  join.mockRejectedValueOnce({ code: 'cannot-connect', message: 'Nobody.', hint: '' });
  await press('join-submit');
  expect((await shown('join-problem')).textContent).toContain('Nobody.');
  await fireEvent.click(submit);
  await gone('join-dialog');
  expect(join).toHaveBeenCalledTimes(2);
});

test('a link that the program was opened with is asked about, whichever it is', async () => {
  engine = new MockBackend();
  engine.bringLink(link({ n: '' }));
  await openPage(engine);
  expect((await shown('join-dialog')).textContent).toContain(en.groups.unnamed);
  engine.bringLink('https://example.org/file.iso');
  await shown('add-form');
  expect(screen.getByLabelText<HTMLTextAreaElement>(en.add.links).value).toContain('file.iso');
  engine.bringLink('javascript:alert(1)');
  await waitFor(() => screen.getByText(en.notices.noLinkBrought));
});

test('a group is made at the server whose id was compared; the invite is shown', async () => {
  await open();
  const create = vi.spyOn(engine, 'createGroup');
  await goToGroups();
  await click('make-group');
  await type('make-name', ' Dorm 7 ');
  await type('make-address', 'missing.example');
  await click('make-next');
  expect((await shown('make-problem')).textContent).toContain('https://missing.example:8470');
  await type('make-address', 'http://a.example');
  await shown('make-plain');
  await click('make-next');
  const check = await shown('make-confirm');
  const shownId = screen.getByTestId('server-id').textContent ?? '';
  expect(shownId).toMatch(/^[a-z2-7]{52}$/);
  expect(document.activeElement).toBe(screen.getByTestId('make-back'));
  screen.getByTestId('make-plain');
  await click('make-back');
  await shown('make-next');
  expect(create).not.toHaveBeenCalled();
  await type('make-address', 'a.example');
  await click('make-next');
  await waitFor(() => expect(screen.getByTestId('make-confirm')).not.toBe(check));
  await click('make-confirm');
  const invite = await shown('invite-dialog');
  expect(create.mock.calls[0]?.[0]).toMatchObject({ server: 'https://a.example:8470' });
  expect(create.mock.calls[0]?.[1]).toBe('Dorm 7');
  expect(invite.textContent).toContain(en.invite.text);
  expect(within(invite).getByTestId('qr').getAttribute('aria-label')).toBe(en.invite.qr('Dorm 7'));
  const [made] = await groups();
  const written = screen.getByTestId<HTMLTextAreaElement>('invite-link').value;
  expect(written).toBe((await engine.invite(made?.group ?? '')).link);
});

test('the invite is copied', async () => {
  await open({ groups: [dorm] });
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  await goToGroups();
  await click('show-invite');
  await click('invite-copy');
  expect(writeText).toHaveBeenCalledWith(
    screen.getByTestId<HTMLTextAreaElement>('invite-link').value,
  );
  await waitFor(() => screen.getByText(en.invite.copied, { selector: 'button' }));
});

test('a new invite is made after a question, and shown; the old one is no more', async () => {
  await open({ groups: [dorm] });
  await goToGroups();
  const [before] = await groups();
  const old = (await engine.invite(before?.group ?? '')).link;
  await click('group-more');
  await click('menu-rotate');
  await shown('rotate-group');
  screen.getByText(en.rotate.title('Dorm 7'));
  await click('rotate-group-cancel');
  expect((await groups())[0]?.group).toBe(before?.group);
  await click('show-invite');
  await click('invite-rotate');
  await click('rotate-group-confirm');
  const written = () => screen.getByTestId<HTMLTextAreaElement>('invite-link').value;
  await waitFor(() => expect(written()).not.toBe(old));
  expect(await groups()).toHaveLength(1);
});

test('a group is left after a question', async () => {
  await open({ groups: [dorm, { name: 'Lab' }] });
  await goToGroups();
  await waitFor(() => expect(states().map(([name]) => name)).toEqual(['Dorm 7', 'Lab']));
  await fireEvent.click(screen.getAllByTestId('group-more')[0] as HTMLElement);
  await click('menu-leave');
  await click('leave-group-confirm');
  await waitFor(() => expect(states().map(([name]) => name)).toEqual(['Lab']));
  // The keyboard is not lost with it.
  expect(document.activeElement?.textContent).toBe(en.friends.title);
});

test('members are reached, or it is said once for each reason why not and what to do', async () => {
  await open({
    port: 40_123,
    peers: [
      {
        peer: 'kim',
        name: 'Kim',
        online: false,
        noWay: 'no_answer',
        addresses: ['10.9.9.9:31200'],
      },
    ],
    groups: [
      {
        ...dorm,
        members: [
          {
            peer: 'ana',
            name: 'Ana',
            friend: true,
            reach: { reach: 'reached', address: '10.7.12.4:26269' },
          },
          { peer: 'lab', name: 'lab-pc', friend: false, reach: { reach: 'ringing' } },
          { peer: 'zoe', name: 'Zoe', friend: false, reach: { reach: 'called' } },
          out('kim', 'Kim', 'no_answer'),
          out('sam', 'Sam', 'no_answer'),
          out('eve', '<b>Eve</b>', 'no_address'),
        ],
      },
    ],
  });
  await goToGroups();
  const card = await shown('group');
  expect(card.textContent).toContain(en.groups.reached('2', '6'));
  expect(card.textContent).toContain(en.friends.reachedAt('10.7.12.4:26269'));
  expect(card.textContent).toContain(en.groups.member.ringing);
  expect(card.textContent).toContain(en.groups.member.called);
  const [silent, nowhere] = screen.getAllByTestId('out-of-reach') as [HTMLElement, HTMLElement];
  expect(silent.textContent).toContain(en.noWays.no_answer.text('31200', '40123'));
  expect(within(silent).getAllByTestId('member')).toHaveLength(2);
  expect(nowhere.textContent).toContain(en.noWays.no_address.text('', '40123'));
  expect(nowhere.textContent).toContain('<b>Eve</b>');
});

test('among people it is said how each was found and reached, and why one was not', async () => {
  const byDorm = { by: 'group', name: 'Dorm 7' } as const;
  await open({
    groups: [dorm],
    peers: [
      { peer: 'mo', name: 'Mo', friend: true, found: [{ by: 'lan' }, byDorm] },
      { peer: 'jo', name: 'Jo', friend: true, online: false, found: [{ by: 'known' }] },
      { peer: 'zoe', name: 'Zoe', found: [byDorm], called: true, addresses: ['10.9.9.8:1'] },
      {
        peer: 'kim',
        name: 'Kim',
        online: false,
        found: [byDorm, { by: 'known' }],
        noWay: 'refused',
        addresses: ['10.9.9.9:31200'],
      },
    ],
  });
  await click('go-friends');
  await waitFor(() => expect(screen.getAllByTestId('peer')).toHaveLength(4));
  const of = (name: string) =>
    screen.getAllByTestId('peer').find((row) => row.dataset['name'] === name) ?? expect.fail(name);
  const { byLan, byGroup, byKnown, reachedAt, called, isOut } = en.friends;
  expect(of('Mo').textContent).toContain(
    `${byLan} · ${byGroup('Dorm 7')} · ${reachedAt('10.42.3.17:26269')}`,
  );
  expect(of('Jo').textContent).toContain(byKnown);
  expect(of('Zoe').textContent).toContain(called);
  expect(of('Zoe').textContent).not.toContain('10.9.9.8');
  expect(of('Kim').textContent).toContain(isOut);
  expect(of('Kim').textContent).not.toContain(byKnown);
  const why = within(of('Kim')).getByTestId('no-way');
  expect(why.textContent).toContain(en.noWays.refused.short);
  expect(why.textContent).toContain(en.noWays.refused.text('31200', ''));
  expect(within(of('Mo')).queryByTestId('no-way')).toBeNull();
});

test('trouble with a server is told among people too, and explained with its group', async () => {
  await open({
    groups: [
      { ...dorm, state: { state: 'trouble', why: 'other_key', retryInS: 90 } },
      { name: 'Lab', state: { state: 'trouble', why: 'refused', retryInS: 0 } },
    ],
  });
  await click('go-friends');
  await waitFor(() => expect(screen.getAllByTestId('group-trouble')).toHaveLength(2));
  screen.getByText(en.friends.emptyTrouble);
  await fireEvent.click(screen.getAllByText(en.groups.look)[0] as HTMLElement);
  const [key, refused] = (await waitFor(() => screen.getAllByTestId('server-trouble'))) as [
    HTMLElement,
    HTMLElement,
  ];
  expect(key.textContent).toContain(en.serverTroubles.other_key.title);
  expect(key.textContent).toContain(en.serverTroubles.other_key.text(''));
  expect(key.textContent).toContain(en.groups.retry('2 min'));
  expect(refused.textContent).toContain(en.groups.retryNow);
});

test('where nobody is, the way into a group is offered', async () => {
  await open();
  await click('go-friends');
  await waitFor(() => screen.getByText(en.friends.emptyText));
  await click('make-group');
  await shown('make-dialog');
  await fireEvent.click(screen.getByText(en.groups.cancel));
  await click('join-group');
  await shown('join-dialog');
});

test('how others are found is chosen in the settings, and what follows is said', async () => {
  await open({ groups: [dorm] });
  await click('settings');
  await fireEvent.click(screen.getByLabelText(en.meetings.lan_only));
  await waitFor(() => screen.getByText(en.meetingHelp.lan_only));
  await fireEvent.click(screen.getByText(en.settings.close, { selector: 'dialog button' }));
  await goToGroups();
  await shown('group-off');
  paste(link({ n: 'Other' }));
  await shown('join-not-used');
});

test('to look in groups alone and be in none is warned of', async () => {
  await open({ meeting: 'server_only' });
  await click('go-friends');
  await waitFor(() => screen.getByText(en.friends.emptyServerOnly));
  expect(screen.queryByText(en.friends.checks)).toBeNull();
  await click('settings');
  await shown('meeting-no-group');
});

test('without a network an invite is told to be of no use now', async () => {
  engine = new MockBackend({
    networkFailure: { code: 'internal', message: 'no port', hint: '' },
  });
  await openPage(engine);
  await shown('alone');
  paste(link());
  await waitFor(() => screen.getByText(en.join.noNetwork));
  expect(screen.queryByTestId('join-dialog')).toBeNull();
});

test('an invite from outside gives the keyboard to the button that does not consent', async () => {
  await open();
  paste(link());
  await shown('join-dialog');
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId('join-cancel')));
});

test('where members are listed and none is reached it is not said that nobody is online', async () => {
  await open({ groups: [{ ...dorm, members: [out('kim', 'Kim', 'no_answer')] }] });
  await click('go-friends');
  await waitFor(() => screen.getByText(en.friends.emptyUnreached));
  await click('look-at-groups');
  expect((await shown('group')).textContent).toContain('Kim');
});

test('what was opened while a group is joined stays open', async () => {
  await open();
  let joined = () => {};
  const join = engine.joinGroup.bind(engine);
  vi.spyOn(engine, 'joinGroup').mockImplementation(async (invite) => {
    await new Promise<void>((go) => (joined = go));
    return join(invite);
  });
  paste(link());
  await press('join-submit');
  await click('join-cancel');
  await gone('join-dialog');
  paste(link({ n: 'Other' }));
  await waitFor(() => expect(screen.getByTestId('join-dialog').textContent).toContain('Other'));
  joined();
  await waitFor(async () => expect(await groups()).toHaveLength(1));
  await waitFor(() => screen.getByText(en.join.joined('Dorm 7')));
  expect(screen.getByTestId('join-dialog').textContent).toContain('Other');
});

'use strict';
// Sorts tables by a click on a header, and shows the number under the pointer. The page can be read without it.
const key = cell => {
  const text = cell.dataset.k ?? cell.textContent;
  const number = Number(text.replace(/,|%$| GiB$/g, ''));
  return text === '' || Number.isNaN(number) ? text : number;
};
const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? 1 : -1;
for (const table of document.querySelectorAll('table.sort')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const first = at > 0 && head.className !== 't' ? 'descending' : 'ascending';
      const other = first === 'ascending' ? 'descending' : 'ascending';
      const order = head.ariaSort === first ? other : first;
      for (const each of heads) each.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', order);
      const sign = order === 'ascending' ? 1 : -1;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => sign * compare(key(a.cells[at]), key(b.cells[at])));
      table.tBodies[0].append(...rows);
    });
  });
}
for (const figure of document.querySelectorAll('figure')) {
  const line = figure.querySelector('.read');
  const rest = '\u00a0';
  line.textContent = rest;
  figure.addEventListener('pointerover', event => {
    const mark = event.target.closest('[data-v]');
    line.textContent = mark ? mark.querySelector('title').textContent : rest;
  });
  figure.addEventListener('pointerleave', () => { line.textContent = rest; });
}

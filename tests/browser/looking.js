// What is wrong with a page of the app as it is drawn now, a sentence for each; the tests of
// test_failures.py evaluate it at every width and in both modes, until nothing is wrong.
([background, width]) => {
  const wrong = [];
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const rgb = text => (text.match(/[\d.]+/g) || []).slice(0, 3).map(Number);
  const light = colour => {
    const parts = colour.map(part => part / 255)
      .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  // The contrast ratio of WCAG 2.1, of a colour on the page
  const contrast = colour => {
    const [most, least] = [light(colour), light(rgb(background))].sort((a, b) => b - a);
    return (most + 0.05) / (least + 0.05);
  };
  const app = document.querySelector('[data-testid=stApp]');
  if (app.dataset.testScriptState !== 'notRunning' || all('[data-stale=true]').length)
    wrong.push('it is not drawn yet');
  if (getComputedStyle(app).backgroundColor !== background)
    wrong.push(`its background is ${getComputedStyle(app).backgroundColor}`);
  if (document.documentElement.scrollWidth > width)
    wrong.push(`it is ${document.documentElement.scrollWidth} wide`);
  if (all('[data-testid=stException], [data-testid=stAlertContentError]').length)
    wrong.push('it shows an error');

  for (const link of all('[data-testid=stSidebarNavLink] span'))
    if (link.scrollWidth > link.clientWidth + 1 && link.clientWidth)
      wrong.push(`the menu cuts ${link.textContent}`);
  const main = document.querySelector('[data-testid=stMain]');
  // On a phone the head of the page is not transparent, and lies over what is below it.
  const head = document.querySelector('[data-testid=stHeader]').getBoundingClientRect();
  const first = main.querySelector('[data-testid=stAlert], h2').getBoundingClientRect();
  if (width < 768 && !main.scrollTop && first.top < head.bottom)
    wrong.push('its head lies over the first line');
  for (const field of all('input, textarea, button, [data-testid=stMetric]', main)) {
    const box = field.getBoundingClientRect();
    if (box.width > 1 && (box.left < -1 || box.right > width + 1) && !field.closest('[data-testid=stDataFrame]'))
      wrong.push(`${field.getAttribute('aria-label') || field.textContent} lies beyond the window`);
  }
  const kinds = ['Selectbox', 'TextInput', 'NumberInput', 'MultiSelect', 'VegaLiteChart', 'DataFrame'];
  const blocks = all(kinds.map(kind => `[data-testid=st${kind}]`).join(), main)
    .map(block => [block, block.getBoundingClientRect()]).filter(([, box]) => box.width > 1);
  blocks.forEach(([one, a], place) => blocks.slice(place + 1).forEach(([other, b]) => {
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 2 && down > 2 && !one.contains(other) && !other.contains(one))
      wrong.push(`${one.innerText.slice(0, 30)} and ${other.innerText.slice(0, 30)} overlap`);
  }));

  for (const chart of all('[data-testid=stVegaLiteChart]')) {
    const label = chart.getAttribute('aria-label') || '';
    if (label.length < 20 || label === 'Vega visualization') wrong.push(`a figure is called ${label}`);
    const svg = chart.querySelector('svg');
    if (!svg) {
      wrong.push(`${label}: not drawn`);
      continue;
    }
    const around = svg.getBoundingClientRect();
    // The box of a letter is a little larger than its ink.
    const end = Math.min(around.right, width) + 4;
    for (const text of all('text', svg)) {
      const box = text.getBoundingClientRect();
      if (box.width && (box.left < around.left - 4 || box.right > end) || text.textContent.includes('…'))
        wrong.push(`a figure cuts ${text.textContent}`);
    }
    const roles = ['axis-label', 'axis-title', 'legend-label', 'legend-title', 'title-text'];
    for (const text of all(roles.map(role => `.role-${role} text`).join(), svg))
      if (contrast(rgb(getComputedStyle(text).fill)) < 4.5)
        wrong.push(`${text.textContent} has a contrast of ${contrast(rgb(getComputedStyle(text).fill))}`);
  }
  return wrong;
}

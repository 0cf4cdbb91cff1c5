// The pages of the demonstration: French first, English for who prefers it.

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Markup is written with this tag; everything interpolated is escaped unless it is markup itself. */
class Markup extends String {}
function html(parts, ...values) {
  const show = (value) => {
    if (value === undefined || value === null || value === false) return '';
    if (Array.isArray(value)) return value.map(show).join('');
    return value instanceof Markup ? String(value) : escape(value);
  };
  return new Markup(parts.reduce((text, part, i) => text + show(values[i - 1]) + part));
}

const AFFILIATIONS = {
  eleve1d: { fr: 'Élève du premier degré', en: 'Primary school pupil' },
  eleve2d: { fr: 'Élève du second degré', en: 'Secondary school pupil' },
  resp1d: { fr: 'Responsable d’un élève du premier degré', en: 'Guardian of a primary school pupil' },
  resp2d: { fr: 'Responsable d’un élève du second degré', en: 'Guardian of a secondary school pupil' },
};

const STYLE = new Markup(`
  :root { color-scheme: light dark; --ink: #22303c; --paper: #fbfaf7; --card: #fff; --line: #d8d3c8; --accent: #1d5c63 }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #1b2126; --card: #242c33; --line: #45505a; --accent: #8fd0d6 } }
  * { box-sizing: border-box }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 1.05rem/1.55 system-ui, sans-serif }
  header, main { max-width: 42rem; margin: 0 auto; padding: 1rem }
  header { border-bottom: 3px solid var(--accent) }
  header p { margin: 0; font-weight: 600; font-size: 1.2rem }
  h1 { font-size: 1.6rem; line-height: 1.25 }
  h2 { font-size: 1.2rem; margin: 0 0 .25rem }
  ul.cards { list-style: none; padding: 0; display: grid; gap: .75rem }
  ul.cards > li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 } dd { margin: 0 }
  button { font: inherit; font-weight: 600; padding: .65rem 1.1rem; min-height: 2.75rem; border-radius: .4rem; cursor: pointer;
    border: 2px solid var(--accent); background: var(--accent); color: var(--paper) }
  button.quiet { background: transparent; color: var(--accent) }
  :focus-visible { outline: 3px solid #b8620b; outline-offset: 2px }
  pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); padding: .75rem; font-size: .85rem }
  .note { color: inherit; opacity: .85 }
`);

/** A whole page. */
/** A date as people write it; it has no time zone, so it is shown in none. */
const day = (date, language) =>
  new Intl.DateTimeFormat(language === 'fr' ? 'fr-FR' : 'en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(date));

export function page({ name, language, title, body }) {
  return String(html`<!doctype html>
<html lang="${language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – ${name}</title><style>${STYLE}</style></head>
<body><header><p>${name}</p></header><main><h1>${title}</h1>
${body}
</main></body></html>
`);
}

/** Nobody is signed in. */
export const home = () => (language) => {
  const fr = language === 'fr';
  return {
    title: fr ? 'Bienvenue' : 'Welcome',
    body: html`<p>${fr
      ? 'Ce service de démonstration reconnaît les familles par leur compte scolaire. Il ne connaît aucun mot de passe.'
      : 'This demonstration service knows families by their school account. It never sees a password.'}</p>
<form method="post" action="/login"><button>${fr ? 'Se connecter avec mon compte scolaire' : 'Sign in with my school account'}</button></form>`,
  };
};

const place = (language) => (where) => html`<dt>${language === 'fr' ? 'Établissement' : 'School'}</dt>
<dd>${where.name ?? where.uai}${where.name && html` (${where.uai})`}${where.class && html`, ${language === 'fr' ? 'classe' : 'class'} ${where.class}`}</dd>`;

function child(language) {
  return (child) => html`<li data-child="${child.sub}"><h2>${[child.given_name, child.family_name].filter(Boolean).join(' ')}</h2>
<dl>${child.birthdate && html`<dt>${language === 'fr' ? 'Date de naissance' : 'Birth date'}</dt><dd>${day(child.birthdate, language)}</dd>`}
${(child.establishments ?? []).map(place(language))}</dl></li>`;
}

/** Somebody is signed in: what this service was told. */
export const welcome = ({ claims, idToken }) => (language) => {
  const fr = language === 'fr';
  const affiliations = [claims.FrEduCtPersonAffiliation ?? []].flat().map((value) => AFFILIATIONS[value]?.[language] ?? value);
  return {
    title: claims.name ? (fr ? `Bonjour ${claims.name}` : `Hello ${claims.name}`) : fr ? 'Vous êtes connecté' : 'You are signed in',
    body: html`
${affiliations.length > 0 && html`<p>${affiliations.join(' · ')}</p>`}
${claims.establishments?.length > 0 && html`<dl>${claims.establishments.map(place(language))}</dl>`}
${claims.children?.length > 0 && html`<h2>${fr ? 'Mes enfants' : 'My children'}</h2><ul class="cards">${claims.children.map(child(language))}</ul>`}
<details><summary>${fr ? 'Tout ce que ce service a reçu' : 'Everything this service was told'}</summary>
<p class="note">${fr ? 'Informations sur la personne (userinfo)' : 'About the person (userinfo)'}</p><pre tabindex="0" id="userinfo">${JSON.stringify(claims, null, 2)}</pre>
<p class="note">${fr ? 'Jeton d’identité' : 'ID token'}</p><pre tabindex="0" id="id-token">${JSON.stringify(idToken, null, 2)}</pre></details>
<form method="post" action="/logout"><p><button class="quiet">${fr ? 'Se déconnecter' : 'Sign out'}</button></p></form>`,
  };
};

/** The sign-in did not succeed. `code` comes from the library or from the protocol's closed list. */
export const failure = (code) => (language) => {
  const fr = language === 'fr';
  const reasons = {
    access_denied: fr
      ? 'Votre compte scolaire ne donne pas accès à ce service : aucun élève qui vous est rattaché n’est dans un établissement qui l’utilise.'
      : 'Your school account gives no access to this service: no pupil linked to you is in a school that uses it.',
    provider_unreachable: fr ? 'Le service de connexion ne répond pas.' : 'The sign-in service does not answer.',
    not_found: fr ? 'Cette page n’existe pas.' : 'There is no such page.',
  };
  return {
    title: fr ? 'La connexion n’a pas abouti' : 'Sign-in did not succeed',
    body: html`<p>${reasons[code] ?? (fr ? 'Veuillez recommencer.' : 'Please try again.')}</p>
<p class="note"><code>${code}</code></p><form method="post" action="/login"><button>${fr ? 'Recommencer' : 'Try again'}</button></form>`,
  };
};

/** Back from the provider after signing out. */
export const signedOut = () => (language) => ({
  title: language === 'fr' ? 'Vous êtes déconnecté' : 'You are signed out',
  body: html`<form method="post" action="/login"><button>${language === 'fr' ? 'Se reconnecter' : 'Sign in again'}</button></form>`,
});

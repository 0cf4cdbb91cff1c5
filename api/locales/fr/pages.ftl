service-name = Matricule
layout-skip = Aller au contenu
layout-nav = Navigation
layout-account = Mon compte
layout-sign-out = Se déconnecter
layout-accessibility = Accessibilité
layout-legal = Mentions légales
layout-demo = Démonstration.
layout-demo-text = Personnes et établissements sont fictifs ; aucun message n’est réellement envoyé.
layout-demo-link = Voir les messages

home-title = Votre compte pour l’école
home-lead = Un seul compte pour suivre la scolarité de tous vos enfants, quel que soit leur établissement.
home-sign-in = J’ai déjà un compte
home-sign-in-text = Je me connecte avec mon identifiant et mon mot de passe.
home-sign-in-action = Me connecter
home-activate = C’est ma première visite
home-activate-text = Je suis parent ou responsable légal : j’active mon compte avec mon téléphone portable.
home-activate-action = Activer mon compte
home-reset = J’ai oublié mes accès
home-reset-text = Je retrouve mon identifiant et je choisis un nouveau mot de passe avec mon téléphone portable.
home-reset-action = Retrouver mes accès

operator-unknown = L’exploitant de ce service n’a pas encore indiqué ses coordonnées.

accessibility-title = Accessibilité
accessibility-lead = Chacun doit pouvoir se servir de ces pages, avec ou sans souris, sur un petit ou un grand écran, avec un lecteur d’écran ou sans.
accessibility-state = Où nous en sommes
accessibility-state-text = Ces pages sont conçues pour suivre le référentiel général d’amélioration de l’accessibilité (RGAA 4.1) et les règles WCAG 2.2 au niveau AA. Un contrôle automatique est fait à chaque modification. Aucun audit complet par des personnes n’a encore eu lieu : la conformité n’est donc pas établie.
accessibility-means = Ce qui est fait
accessibility-means-keyboard = Tout se fait au clavier, et l’élément actif est toujours visible.
accessibility-means-script = Rien ne dépend de JavaScript.
accessibility-means-phone = Les pages s’adaptent à un téléphone, à un texte agrandi et à un affichage sombre.
accessibility-means-forms = Chaque champ a son étiquette, et chaque erreur dit comment la corriger.
accessibility-obstacle = Vous rencontrez un obstacle
accessibility-obstacle-text = Dites-le à l’exploitant du service, en indiquant la page et ce que vous vouliez faire :
accessibility-defender = Si vous ne recevez pas de réponse satisfaisante, vous pouvez saisir le Défenseur des droits.

legal-title = Mentions légales
legal-operator = Exploitant
legal-operator-name = Exploitant de ce service : { $name }.
legal-operator-contact = Pour le joindre : { $contact }.
legal-data = Données personnelles
legal-data-source = Les données viennent des établissements scolaires : identité des élèves et de leurs responsables, dates de naissance des élèves, numéros de téléphone, inscriptions et liens de responsabilité. Le service ne les modifie pas et n’en invente aucune.
legal-data-use = Elles servent à ouvrir les comptes, à vérifier qui les active, et à dire aux services numériques auxquels vous vous connectez ce qu’ils ont le droit de savoir. Le service n’en fait rien d’autre.
legal-data-history = L’histoire de chaque compte est conservée pour pouvoir expliquer ce qui s’est passé. Les données personnelles y sont chiffrées avec une clé propre à chaque personne ; détruire cette clé les efface.
legal-data-requests = { $days ->
    [one] La trace technique des demandes, sans contenu, est conservée un jour.
   *[other] La trace technique des demandes, sans contenu, est conservée { $days } jours.
}
legal-rights = Vos droits
legal-rights-text = Pour faire corriger une donnée, adressez-vous à l’établissement de l’enfant : la correction arrive ici avec son prochain envoi. Pour accéder à vos données, les faire effacer ou vous opposer à leur usage, adressez-vous à l’exploitant. Vous pouvez aussi saisir la CNIL.
legal-cookies = Cookies
legal-cookies-text = Seuls les cookies nécessaires sont utilisés : ils gardent votre connexion et la langue choisie. Il n’y a ni mesure d’audience, ni publicité.
legal-software = Logiciel
legal-software-text = Matricule est un logiciel libre, publié sous la licence publique de l’Union européenne (EUPL-1.2).

form-errors = { $count ->
    [one] Une réponse est à corriger
   *[other] { $count } réponses sont à corriger
}
form-day = Jour
form-month = Mois
form-year = Année
step = Étape { $current } sur { $total }

error-reference = Référence de l’incident
error-reference-text = Si vous demandez de l’aide, donnez cette référence : elle permet de retrouver ce qui s’est passé.
error-home = Revenir à l’accueil
problem-code = Code de l’erreur :

error-internal-title = Une erreur est survenue
error-internal-text = Ce n’est pas de votre fait. Réessayez dans quelques minutes.
error-not-found-title = Page introuvable
error-not-found-text = L’adresse est peut-être incomplète, ou la page n’existe plus.
error-bad-request-title = Demande incomprise
error-bad-request-text = Il manque une information, ou l’une d’elles n’a pas la bonne forme. Revenez à la page précédente et recommencez.
error-forbidden-title = Accès refusé
error-forbidden-text = Vous n’avez pas le droit d’accéder à cette page.
error-unauthorized-title = Connexion nécessaire
error-unauthorized-text = Connectez-vous pour accéder à cette page.
error-cross-origin-title = Demande refusée
error-cross-origin-text = Ce formulaire a été envoyé depuis un autre site. Revenez à l’accueil et recommencez.
error-method-not-allowed-title = Demande impossible
error-method-not-allowed-text = Cette page ne peut pas être demandée de cette façon.
error-too-large-title = Envoi trop volumineux
error-too-large-text = Ce que vous envoyez dépasse la taille permise.
error-too-many-title = Trop de tentatives
error-too-many-text = Attendez un peu avant de réessayer.
error-timeout-title = Réponse trop longue
error-timeout-text = Le service a mis trop de temps à répondre. Réessayez dans quelques minutes.
error-unavailable-title = Service indisponible
error-unavailable-text = Le service est indisponible pour un moment. Réessayez dans quelques minutes.

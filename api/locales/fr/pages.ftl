service-name = Matricule
layout-skip = Aller au contenu
layout-nav = Navigation
layout-account = Mon compte
layout-sign-out = Se déconnecter
layout-accessibility = Accessibilité
layout-legal = Mentions légales
layout-demo = Démonstration.
layout-demo-text = Personnes et établissements sont fictifs ; aucun message n’est réellement envoyé.
layout-demo-link = Voir les messages et les comptes d’exemple

home-title = Votre compte pour l’école
home-lead = Un seul compte pour suivre la scolarité de tous vos enfants, quel que soit leur établissement.
home-sign-in = J’ai déjà un compte
home-sign-in-text = Je me connecte avec mon identifiant et mon mot de passe.
home-sign-in-action = Me connecter
home-activate = C’est ma première visite
home-activate-text = Je suis parent ou responsable légal : j’active mon compte avec mon téléphone portable.
home-activate-action = Activer mon compte
home-reset = J’ai oublié mes accès
home-reset-text = Je retrouve mon identifiant et je choisis un nouveau mot de passe avec mon téléphone portable.
home-reset-action = Retrouver mes accès

accessibility-title = Accessibilité
accessibility-lead = À compléter par l’exploitant.
legal-title = Mentions légales
legal-lead = À compléter par l’exploitant.

form-errors = { $count ->
    [one] Une réponse est à corriger
   *[other] { $count } réponses sont à corriger
}
form-day = Jour
form-month = Mois
form-year = Année
step = Étape { $current } sur { $total }

error-reference = Référence de l’incident
error-reference-text = Si vous demandez de l’aide, donnez cette référence : elle permet de retrouver ce qui s’est passé.
error-home = Revenir à l’accueil
problem-code = Code de l’erreur :

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

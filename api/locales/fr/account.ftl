section-account = Mon compte
section-children = Mes enfants
section-services = Mes services
section-ways-in = Mes moyens de connexion
section-sessions = Où je suis connecté

session-again-title = Confirmez que c’est bien vous
session-again-lead = Pour protéger votre compte, cette page demande votre mot de passe encore une fois. Vous reviendrez ensuite où vous étiez.
session-again-back = Revenir à mon compte
session-again-submit = Continuer

ways-in-title = Mes moyens de connexion
ways-in-login = Votre identifiant :
ways-in-password = Mot de passe
ways-in-password-text = Vous l’avez choisi vous-même. Personne d’autre ne le connaît, pas même l’établissement.
ways-in-password-change = Changer mon mot de passe
ways-in-password-changed = Votre mot de passe est changé. Vos autres connexions en cours ont été fermées.
ways-in-phone = Téléphone portable
ways-in-phone-text = Si vous oubliez votre identifiant ou votre mot de passe, un code est envoyé par SMS au numéro que l’établissement connaît. Ce numéro se change auprès de l’établissement.
ways-in-back = Revenir à mes moyens de connexion

sessions-lead = Voici les appareils où votre compte est ouvert en ce moment. Mettez fin à une connexion que vous n’utilisez plus, ou que vous ne reconnaissez pas.
sessions-own = L’appareil que vous utilisez en ce moment
sessions-device = { $browser } sur { $system }
sessions-device-unknown = Appareil inconnu
sessions-began = Connecté : { $when }
sessions-seen = Dernière utilisation : { $when }
sessions-services = Services :
sessions-now = à l’instant
sessions-minutes-ago = { $count ->
    [one] il y a une minute
   *[other] il y a { $count } minutes
}
sessions-hours-ago = { $count ->
    [one] il y a une heure
   *[other] il y a { $count } heures
}
sessions-end = Déconnecter « { $device } »
sessions-unknown = Vous ne reconnaissez pas un appareil ? Déconnectez-le, puis choisissez un autre mot de passe.

session-switch-title = Vous êtes déjà connecté
session-switch-present = Sur cet appareil, le compte ouvert est celui de l’identifiant
session-switch-continue = Continuer en tant que { $login }
session-switch-not-you = Ce n’est pas vous ?
session-switch-not = Vous n’êtes pas { $login } ? Changer d’utilisateur
session-switch-other = Changer d’utilisateur
session-switch-ends = Si une autre personne se connecte, { $login } est d’abord déconnecté de cet appareil et des services ouverts avec ce compte.
oidc-choose-title = Avec quel compte continuer ?
oidc-choose-text = Le service « { $service } » vous demande de choisir le compte.
